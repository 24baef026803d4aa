// npm Socket.IO, WebSocket transport only: one room, events made in the process itself.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const [port, rate] = process.argv.slice(2).map(Number);
const server = createServer();
const io = new Server(server, {
  transports: ["websocket"],
  perMessageDeflate: false,
  connectionStateRecovery: {},
});
const filler = "x".repeat(60);
process.on("SIGUSR1", () => {
  const start = process.hrtime.bigint();
  let sent = 0;
  setInterval(() => {
    const due = (Number(process.hrtime.bigint() - start) / 1e9) * rate;
    for (; sent < due; sent++) io.emit("m", { t: Number(process.hrtime.bigint()), filler });
  }, 1);
});
server.listen(port, "127.0.0.1", () => console.log("ready"));
