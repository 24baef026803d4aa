import { Failed, startShortcuts, startTheme } from "@tidegate/ui";
import "@tidegate/ui/styles.css";
import "./page.css";
import { render } from "preact";
import { readSession, renewToken } from "./api/session.ts";
import { App } from "./app.tsx";
import { Gateway } from "./connection/gateway.ts";
import { isForbidden, told } from "./failure.ts";
import { startRouting } from "./route.ts";

const root = document.querySelector("#app") ?? document.body;

async function start(): Promise<void> {
  startTheme();
  startShortcuts();
  startRouting();
  const session = await readSession();
  const { url, token } = session.gateway;
  render(<App session={session} gateway={new Gateway({ url, token, renewToken })} />, root);
}

start().catch((error: unknown) => {
  const isSignedOut = isForbidden(error);
  render(
    <Failed
      title={isSignedOut ? "You are not signed in" : "The page could not start"}
      advice={
        isSignedOut
          ? "Sign in where your team signs in, then open this page again."
          : "The service did not answer as expected. Your projects are not affected."
      }
      detail={told(error).detail}
      onRetry={() => location.reload()}
    />,
    root,
  );
});
