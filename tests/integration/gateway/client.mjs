// Drives the unmodified npm `centrifuge` client: commands as JSON lines on stdin, what the client
// answers and is told as JSON lines on stdout.
import { createInterface } from "node:readline";
import { Centrifuge } from "centrifuge";

const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const tell = (kind, fields) => say({ kind, ...fields });
const subscriptions = new Map();
let client;

const place = (ctx) => ({
  channel: ctx.channel,
  recovered: ctx.recovered,
  was_recovering: ctx.wasRecovering,
  offset: ctx.streamPosition?.offset ?? 0,
  epoch: ctx.streamPosition?.epoch ?? "",
});
const page = ({ publications, epoch, offset }) => ({
  events: publications.map((each) => ({ offset: each.offset, data: each.data })),
  epoch,
  offset,
});
const ended = (ctx) => ({ channel: ctx.channel, code: ctx.code, reason: ctx.reason });

const commands = {
  connect({ url, token }) {
    client = new Centrifuge(url, {
      token,
      minReconnectDelay: 50,
      getToken: async () => {
        tell("token_wanted", {});
        return commands.nextToken ?? token;
      },
    });
    for (const kind of ["connecting", "connected", "disconnected"]) {
      client.on(kind, (ctx) => tell(kind, ended(ctx)));
    }
    client.on("error", (ctx) => tell("error", { code: ctx.error.code, reason: ctx.error.message }));
    client.connect();
    return client.ready(5000);
  },
  next_token({ token }) {
    commands.nextToken = token;
  },
  disconnect() {
    client.disconnect();
  },
  subscribe({ channel, from_start: fromStart, token }) {
    const options = { token };
    if (fromStart) options.since = { offset: 0, epoch: "" };
    const subscription = client.newSubscription(channel, options);
    subscriptions.set(channel, subscription);
    subscription.on("publication", (ctx) =>
      tell("publication", { channel: ctx.channel, offset: ctx.offset ?? 0, data: ctx.data }),
    );
    subscription.on("subscribed", (ctx) => tell("subscribed", place(ctx)));
    subscription.on("subscribing", (ctx) => tell("subscribing", ended(ctx)));
    subscription.on("unsubscribed", (ctx) => tell("unsubscribed", ended(ctx)));
    subscription.on("error", (ctx) =>
      tell("subscription_error", { code: ctx.error.code, reason: ctx.error.message }),
    );
    subscription.subscribe();
    return subscription.ready(5000);
  },
  unsubscribe({ channel }) {
    subscriptions.get(channel).unsubscribe();
  },
  publish: ({ channel, data }) => client.publish(channel, data).then(() => null),
  rpc: ({ method, data }) => client.rpc(method, data).then((result) => result.data),
  history: ({ channel, limit, since, reverse }) =>
    client.history(channel, { limit, since, reverse }).then(page),
  presence: ({ channel }) => client.presence(channel).then((result) => result.clients),
  presence_stats: ({ channel }) =>
    client
      .presenceStats(channel)
      .then((result) => ({ clients: result.numClients, users: result.numUsers })),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, op, ...fields } = JSON.parse(line);
  Promise.resolve()
    .then(() => commands[op](fields))
    .then(
      (result) => say({ answer: id, result: result ?? null }),
      (error) => say({ answer: id, error: { code: error.code ?? -1, message: String(error.message) } }),
    );
}
process.exit(0);
