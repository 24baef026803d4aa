import { CopyButton, Dialog, Failed, Skeleton } from "@tidegate/ui";
import { useEffect, useState } from "preact/hooks";
import { dismissMember, invitePeople, listMembers, revokeInvite } from "../api/projects.ts";
import { tellFailure, told } from "../failure.ts";
import { Resource } from "../remote.ts";
import type { Invite, Membership, Project, Role } from "../wire/project.ts";

interface PeopleProps {
  project: Pick<Project, "id" | "name">;
  onClose: () => void;
}

/** Who is in a project, and links that let others in. */
export function PeopleDialog({ project, onClose }: PeopleProps) {
  const [people] = useState(() => new Resource(() => listMembers(project.id)));
  useEffect(() => void people.load(), [people]);
  const change = (what: string, work: Promise<void>) => {
    work.then(
      () => people.load(),
      (error: unknown) => tellFailure(`${what} did not work.`, error),
    );
  };
  const state = people.state.value;
  return (
    <Dialog title={`People in ${project.name}`} onClose={onClose}>
      <NewInvitation project={project.id} onMade={() => void people.load()} />
      {state.kind === "loading" && <Skeleton rows={2} label="Loading people" />}
      {state.kind === "failed" && (
        <Failed
          title="The people could not be listed"
          advice="Invitations still work."
          detail={told(state.error).detail}
          onRetry={() => void people.load()}
        />
      )}
      {state.kind === "ready" && (
        <PeopleList
          people={state.value}
          onDismiss={(member) => change("Removing", dismissMember(project.id, member))}
          onRevoke={(invite) => change("Withdrawing", revokeInvite(project.id, invite))}
        />
      )}
    </Dialog>
  );
}

type Invitation =
  | { readonly kind: "choosing"; readonly problem?: string }
  | { readonly kind: "making" }
  | { readonly kind: "made"; readonly invite: Invite; readonly role: Role };

function NewInvitation({ project, onMade }: { project: string; onMade: () => void }) {
  const [state, setState] = useState<Invitation>({ kind: "choosing" });
  const make = async (role: "viewer" | "editor") => {
    setState({ kind: "making" });
    try {
      setState({ kind: "made", invite: await invitePeople(project, role), role });
      onMade();
    } catch (error) {
      setState({ kind: "choosing", problem: told(error).text });
    }
  };
  if (state.kind === "made") return <MadeInvitation invite={state.invite} role={state.role} />;
  const isBusy = state.kind === "making";
  return (
    <>
      <div class="choices-big">
        <button type="button" disabled={isBusy} onClick={() => void make("viewer")}>
          <strong>Invite a viewer</strong>
          <span>Reads files and watches terminals.</span>
        </button>
        <button type="button" disabled={isBusy} onClick={() => void make("editor")}>
          <strong>Invite an editor</strong>
          <span>Also writes files and runs commands.</span>
        </button>
      </div>
      <p class="field-problem" aria-live="polite">
        {state.kind === "choosing" ? state.problem : ""}
      </p>
    </>
  );
}

function MadeInvitation({ invite, role }: { invite: Invite; role: Role }) {
  const address = new URL(invite.url, location.href).href;
  return (
    <>
      <p class="dialog-text">
        One person who opens this link joins as {role}, until {day(invite.expires_at)}.
      </p>
      <div class="copy-line">
        <code>{address}</code>
        <CopyButton text={address} label="Copy link" />
      </div>
    </>
  );
}

interface PeopleListProps {
  people: Membership;
  onDismiss: (member: string) => void;
  onRevoke: (invite: string) => void;
}

function PeopleList({ people, onDismiss, onRevoke }: PeopleListProps) {
  return (
    <ul class="people">
      {people.members.map((member) => (
        <li key={member.id} class="person">
          <span class="person-name">{member.name}</span>
          <span class={`role role-${member.role}`}>{member.role}</span>
          {member.role !== "owner" && (
            <button type="button" class="button button-quiet" onClick={() => onDismiss(member.id)}>
              Remove
            </button>
          )}
        </li>
      ))}
      {people.invites.map((invite) => (
        <li key={invite.id} class="person">
          <span class="person-name person-invited">Open link, until {day(invite.expires_at)}</span>
          <span class={`role role-${invite.role}`}>{invite.role}</span>
          <button type="button" class="button button-quiet" onClick={() => onRevoke(invite.id)}>
            Withdraw
          </button>
        </li>
      ))}
    </ul>
  );
}

function day(at: number): string {
  return new Date(at).toLocaleDateString(undefined, { dateStyle: "medium" });
}
