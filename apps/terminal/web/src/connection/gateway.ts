/** The one connection to the gateway: channels in, input out, and its state as a signal. */

import { type ReadonlySignal, signal } from "@preact/signals";
import { Centrifuge, type Subscription } from "centrifuge";
import { HistorySource } from "./history.ts";
import { type Connection, type ConnectionChange, connecting, nextConnection } from "./machine.ts";
import { type Input, RefusedInput } from "./outbox.ts";
import { ChannelReader, type Reading, type Sink } from "./reader.ts";
import { isTemporary, messageOf } from "./rejection.ts";

const PERMISSION_DENIED = 103;

export interface ChannelListener {
  /** In place, now or again: whatever was sent before may have been missed. */
  onSubscribed(): void;
  onData(data: unknown): void;
  /** The service will not let this person see the channel. */
  onDenied(reason: string): void;
}

export interface GatewayOptions {
  /** Absolute, or a path on this origin. */
  readonly url: string;
  readonly token: string;
  readonly renewToken: () => Promise<string>;
}

export class Gateway {
  readonly #client: Centrifuge;
  readonly #connection = signal<Connection>(connecting(Date.now()));
  readonly #behind = new Map<string, number>();
  readonly #isUp = signal(false);
  /** Channels refused once already under a fresh token: a second refusal is final. */
  readonly #renewedFor = new Set<string>();
  #renewal: Promise<void> | undefined;

  constructor(readonly options: GatewayOptions) {
    this.#client = new Centrifuge(socketAddress(options.url), {
      token: options.token,
      getToken: options.renewToken,
      minReconnectDelay: 200,
      maxReconnectDelay: 5000,
    });
    this.#watch();
    this.#client.connect();
  }

  get connection(): ReadonlySignal<Connection> {
    return this.#connection;
  }

  /** Whether a request sent now would reach the gateway. */
  get isUp(): ReadonlySignal<boolean> {
    return this.#isUp;
  }

  /** Follow a channel whose newest event is enough. Returns how to stop. */
  follow(channel: string, listener: ChannelListener): () => void {
    const subscription = this.#subscription(channel);
    subscription.on("subscribed", () => listener.onSubscribed());
    subscription.on("publication", (event) => listener.onData(event.data));
    this.#handleDenial(subscription, (reason) => listener.onDenied(reason));
    subscription.subscribe();
    return () => this.#drop(subscription);
  }

  /** Read a channel from its first event into `sink`. Returns how to stop. */
  read(channel: string, sink: Sink, onReading: (reading: Reading) => void): () => void {
    const subscription = this.#subscription(channel);
    const reader = new ChannelReader(new HistorySource(subscription), sink, (reading) => {
      this.#noteBehind(channel, reading.kind === "resuming" ? reading.behind : 0);
      onReading(reading);
    });
    subscription.on("subscribed", (event) => reader.subscribed(event.streamPosition));
    subscription.on("subscribing", () => reader.interrupted());
    subscription.on("publication", (event) => {
      if (event.offset !== undefined) reader.received({ offset: event.offset, data: event.data });
    });
    this.#handleDenial(subscription, (reason) => onReading({ kind: "failed", reason }));
    subscription.subscribe();
    return () => {
      reader.close();
      this.#noteBehind(channel, 0);
      this.#drop(subscription);
    };
  }

  /** Store one input under its key; see `InputOutbox` for what its failures mean. */
  async publish(channel: string, key: string, data: Input): Promise<void> {
    try {
      await this.#client.rpc("publish", { channel, key, data });
    } catch (error) {
      throw isTemporary(error) ? error : new RefusedInput(messageOf(error));
    }
  }

  /** Do not wait for the next attempt. */
  reconnectNow(): void {
    this.#client.disconnect();
    this.#client.connect();
  }

  /** Connect again under a token that covers what the person may see now. */
  renew(): Promise<void> {
    this.#renewal ??= this.#renewOnce().finally(() => {
      this.#renewal = undefined;
    });
    return this.#renewal;
  }

  async #renewOnce(): Promise<void> {
    this.#client.setToken(await this.options.renewToken());
    this.reconnectNow();
  }

  #watch(): void {
    this.#client.on("connecting", ({ reason }) => {
      this.#isUp.value = false;
      this.#change({ type: "dialing", at: Date.now(), reason });
    });
    this.#client.on("connected", () => {
      this.#isUp.value = true;
      this.#change({ type: "opened", at: Date.now() });
    });
    this.#client.on("disconnected", ({ code, reason }) => {
      this.#isUp.value = false;
      // Our own disconnect is followed by a connect at once; a person need not see it.
      if (code !== 0) this.#change({ type: "closed", at: Date.now(), code, reason });
    });
    this.#client.on("error", ({ error }) => {
      this.#change({ type: "attempt-failed", reason: error.message });
    });
  }

  #change(change: ConnectionChange): void {
    this.#connection.value = nextConnection(this.#connection.peek(), change);
  }

  #noteBehind(channel: string, missed: number): void {
    if (missed === (this.#behind.get(channel) ?? 0)) return;
    this.#behind.set(channel, missed);
    const sum = [...this.#behind.values()].reduce((total, count) => total + count, 0);
    this.#change({ type: "behind", at: Date.now(), missed: sum });
  }

  #subscription(channel: string): Subscription {
    const stale = this.#client.getSubscription(channel);
    if (stale) this.#drop(stale);
    return this.#client.newSubscription(channel, { recoverable: true, positioned: true });
  }

  #drop(subscription: Subscription): void {
    subscription.removeAllListeners();
    subscription.unsubscribe();
    this.#client.removeSubscription(subscription);
  }

  /** A project made or joined after the token was: a fresh token may cover its channels. */
  #handleDenial(subscription: Subscription, onDenied: (reason: string) => void): void {
    subscription.on("unsubscribed", ({ channel, code, reason }) => {
      if (code === 0) return;
      if (code !== PERMISSION_DENIED || this.#renewedFor.has(channel)) {
        onDenied(`${reason} (${code})`);
        return;
      }
      this.#renewedFor.add(channel);
      this.renew().then(
        () => subscription.subscribe(),
        (error: unknown) => onDenied(messageOf(error)),
      );
    });
    subscription.on("subscribed", ({ channel }) => this.#renewedFor.delete(channel));
  }
}

function socketAddress(url: string): string {
  const absolute = new URL(url, location.href);
  absolute.protocol = absolute.protocol.replace(/^http/, "ws");
  return absolute.href;
}
