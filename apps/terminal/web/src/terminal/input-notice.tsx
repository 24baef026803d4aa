import type { Terminal } from "./terminal.ts";

/** Told only when typing does not simply arrive. */
export function InputNotice({ terminal }: { terminal: Terminal }) {
  const { waiting, overflow, refused } = terminal.input.value;
  const isUp = terminal.place.gateway.isUp.value;
  if (refused !== undefined) {
    return <p class="input-notice input-notice-fail">Input refused: {refused}</p>;
  }
  if (overflow !== undefined) {
    return (
      <p class="input-notice input-notice-fail" role="alert">
        The last {characters(overflow)} were not taken: {characters(waiting)} wait to be sent, and
        there is no room for more.
      </p>
    );
  }
  if (isUp || waiting === 0) return null;
  return (
    <p class="input-notice">{characters(waiting)} kept, to be sent when the connection is back.</p>
  );
}

function characters(count: number): string {
  return count === 1 ? "1 character" : `${count.toLocaleString()} characters`;
}
