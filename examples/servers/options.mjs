// What `npm start` understands. Nothing else reads the command line.
import { parseArgs } from 'node:util';

export const HELP = `npm start [-- options]: two services on a real PostgreSQL, with a load that shows what the modules do

  --once           exit after the table (without it the services stay up until Ctrl-C)
  --seconds <n>    seconds of load, once with the modules and once without (default 10)
  --rate <n>       requests per second (default 200)
  --calls <n>      calls in the generated ledger (default 200000)
  --port <n>       port of the web service (default: a free one; a free one too when it is taken)
  --help           this text

  DATABASE_URL     use this PostgreSQL instead of starting one. The ledger goes into a schema of its own, which is
                   named at the start and dropped at the end; nothing else is touched.
`;

const NUMBERS = { seconds: [10, 1, 600], rate: [200, 1, 2000], calls: [200_000, 1000, 5_000_000], port: [0, 0, 65_535] };

/** The options as numbers and booleans; throws an Error that says what is wrong. */
export function readOptions(args) {
  const { values } = parseArgs({
    args,
    options: {
      once: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
      ...Object.fromEntries(Object.keys(NUMBERS).map((name) => [name, { type: 'string' }])),
    },
  });
  const options = { once: values.once, help: values.help };
  for (const [name, [preset, least, most]] of Object.entries(NUMBERS)) {
    const number = values[name] === undefined ? preset : Number(values[name]);
    if (!Number.isInteger(number) || number < least || number > most) {
      throw new Error(`--${name} has to be a whole number from ${least} to ${most}`);
    }
    options[name] = number;
  }
  return options;
}
