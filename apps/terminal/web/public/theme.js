// Runs before the first paint, so that a remembered theme never flashes the other one.
(() => {
  let choice = null;
  try {
    choice = localStorage.getItem("tidegate.theme");
  } catch {
    // Without storage the system decides.
  }
  const isDark =
    choice === "dark" || (choice !== "light" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
})();
