import { Empty, Failed, startShortcuts, startTheme } from "@tidegate/ui";
import "@tidegate/ui/styles.css";
import "./page.css";
import { render } from "preact";
import { readSession, renewToken } from "./api/session.ts";
import { App } from "./app.tsx";
import { Gateway } from "./connection/gateway.ts";
import { signInAddress, told } from "./failure.ts";
import { route, startRouting } from "./route.ts";
import type { Session } from "./wire/session.ts";

const root = document.querySelector("#app") ?? document.body;

async function start(): Promise<void> {
  startTheme();
  startShortcuts();
  startRouting();
  keepDropsOnThePage();
  // A project will show a terminal: fetch its code while the session is asked for.
  if (projectHere() !== undefined) void import("./terminal/screen.ts");
  const session = await sessionHere();
  const { url, token } = session.gateway;
  const gateway = new Gateway({ url, token, renewToken: () => renewToken(projectHere()) });
  render(<App session={session} gateway={gateway} />, root);
}

/** A file dropped beside the tree must not replace the page. */
function keepDropsOnThePage(): void {
  for (const type of ["dragover", "drop"]) {
    addEventListener(type, (event) => event.preventDefault());
  }
}

/** The session; without the open project where that is not the person's to see. */
async function sessionHere(): Promise<Session> {
  const project = projectHere();
  try {
    return await readSession(project);
  } catch (error) {
    if (project === undefined || signInAddress(error) !== undefined) throw error;
    return await readSession(undefined);
  }
}

function projectHere(): string | undefined {
  const here = route.peek();
  return here.kind === "project" ? here.id : undefined;
}

start().catch((error: unknown) => {
  const address = signInAddress(error);
  render(
    address === undefined ? (
      <Failed
        title="The page could not start"
        advice="The service did not answer as expected. Your projects are not affected."
        detail={told(error).detail}
        onRetry={() => location.reload()}
      />
    ) : (
      <Empty
        icon="key"
        title="You are not signed in"
        actions={
          <a class="button button-primary" href={address}>
            Sign in
          </a>
        }
      >
        Your projects and what runs in them are kept. You come back to this page.
      </Empty>
    ),
    root,
  );
});
