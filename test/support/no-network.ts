import net from 'node:net';

/** Imported before anything else into a process that must not talk to anybody: it ends at the first attempt. */
net.Socket.prototype.connect = (...args: unknown[]): never => {
  process.stderr.write(`no network: connect ${JSON.stringify(args[0])}\n`);
  process.exit(97);
};
