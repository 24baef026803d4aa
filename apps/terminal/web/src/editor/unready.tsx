import { Empty, Failed, Icon, Skeleton } from "@tidegate/ui";
import { fileAddress } from "../api/files.ts";
import { isMissing, told } from "../failure.ts";
import { bytesInWords, nameOf } from "../files/tree.ts";
import type { OpenDocument } from "./document.ts";

/** What stands in for the text while there is none. */
export function Unready({ document }: { document: OpenDocument }) {
  const state = document.state.value;
  switch (state.kind) {
    case "ready":
      return null;
    case "loading":
      return (
        <div class="editor-cover">
          <Skeleton rows={8} label={`Loading ${document.path}`} />
        </div>
      );
    case "uneditable":
      return (
        <div class="editor-cover">
          <Empty
            icon="file"
            title={nameOf(document.path)}
            actions={
              <a
                class="button"
                href={fileAddress(document.project, document.path)}
                download={nameOf(document.path)}
              >
                <Icon name="download" /> Download
              </a>
            }
          >
            {state.why} {bytesInWords(state.bytes)}.
          </Empty>
        </div>
      );
    case "failed":
      return (
        <div class="editor-cover">
          <Failed
            title={isMissing(state.error) ? "This file is gone" : "This file could not be read"}
            advice={
              isMissing(state.error) ? "It was deleted or renamed." : "Try again in a moment."
            }
            detail={told(state.error).detail}
            onRetry={() => void document.load()}
          />
        </div>
      );
  }
}
