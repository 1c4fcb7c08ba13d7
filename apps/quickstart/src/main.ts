// The demo: a cluster of operating-system processes on the store and the transport that the command line names, one of them killed under load. Ends with
// what was sent, handled, lost and duplicated, and exits with 1 when a promise was broken. However it ends, it leaves no process, server or file behind.

import { readCommandLine, USAGE } from './command-line.ts'
import { Deployment, type DeploymentChoice } from './deployment.ts'
import { say } from './display.ts'
import { NodeProcesses } from './node-processes.ts'
import { ACTORS, play, SESSION_TTL_MS } from './scenario.ts'
import { judge } from './verdict.ts'

const cleanUp = new AsyncDisposableStack()
let interrupted = false

/** Servers that are just being started go with this process. */
function interrupt(exitCode: number): void {
  if (interrupted) return
  interrupted = true
  cleanUp.disposeAsync().finally(() => process.exit(exitCode))
}

/** Resolves to the exit code. */
async function demo(choice: DeploymentChoice): Promise<number> {
  say(`Cajun quickstart: 3 processes, ${ACTORS.toLocaleString('en')} actors; session TTL ${SESSION_TTL_MS} ms`)
  const deployment = await Deployment.start(choice)
  cleanUp.use(deployment)
  say(`metadata store: ${deployment.store.shown}`)
  say(`messaging: ${deployment.broker?.shown ?? `${choice.messaging}, between the nodes; no server`}`)
  const processes = cleanUp.use(new NodeProcesses())
  const verdict = judge(await play(deployment, processes))
  process.stdout.write(`\n${verdict.text}\n`)
  return verdict.broken.length === 0 ? 0 : 1
}

const commandLine = readCommandLine(process.argv.slice(2))
if (commandLine.kind === 'help') process.stdout.write(USAGE)
else if (commandLine.kind === 'wrong') {
  process.stderr.write(`${commandLine.problem}\n\n${USAGE}`)
  process.exitCode = 2
} else {
  process.on('SIGINT', () => interrupt(130))
  process.on('SIGTERM', () => interrupt(143))
  process.on('SIGHUP', () => interrupt(129))
  // Whoever read our output is gone.
  process.stdout.on('error', () => interrupt(141))
  try {
    process.exitCode = await demo(commandLine.choice)
  } catch (error) {
    process.exitCode = 1
    if (!interrupted) say(`failed: ${error instanceof Error ? error.message : String(error)}`)
  } finally {
    if (!interrupted) await cleanUp.disposeAsync()
  }
}
