import { Failed, Skeleton } from "@tidegate/ui";
import { useEffect, useState } from "preact/hooks";
import { acceptInvite } from "./api/projects.ts";
import type { Gateway } from "./connection/gateway.ts";
import { told } from "./failure.ts";
import { go, projectRoute } from "./route.ts";

/** Joins the project an invitation link leads to. */
export function InvitePage({ token, gateway }: { token: string; gateway: Gateway }) {
  const [error, setError] = useState<unknown>();
  useEffect(() => {
    acceptInvite(token).then(async (project) => {
      await gateway.renew();
      go(projectRoute(project.id));
    }, setError);
  }, [token, gateway]);
  return (
    <main class="projects">
      {error === undefined ? (
        <Skeleton rows={3} label="Accepting the invitation" />
      ) : (
        <Failed
          title="This invitation cannot be used"
          advice="It has expired, or it was made for somebody else. Ask for a new link."
          detail={told(error).detail}
        />
      )}
    </main>
  );
}
