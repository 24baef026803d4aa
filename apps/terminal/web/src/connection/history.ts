/** A channel's history as the reader wants it. */

import type { Subscription } from "centrifuge";
import type { Page, Position, Source } from "./reader.ts";
import { isTemporary, isUnrecoverable, messageOf } from "./rejection.ts";

/** Events asked for in one page; the gateway bounds its bytes. */
const PAGE_LIMIT = 1000;

export class HistorySource implements Source {
  constructor(readonly subscription: Subscription) {}

  async page(since: Position): Promise<Page | "restarted"> {
    try {
      const found = await this.subscription.history({ since, limit: PAGE_LIMIT });
      const events = found.publications.map(({ offset = 0, data }) => ({
        offset,
        data: data as unknown,
      }));
      return { events, top: { offset: found.offset, epoch: found.epoch } };
    } catch (error) {
      if (isUnrecoverable(error)) return "restarted";
      throw new Error(messageOf(error), { cause: error });
    }
  }

  isTemporary(error: unknown): boolean {
    return isTemporary(error instanceof Error ? error.cause : error);
  }
}
