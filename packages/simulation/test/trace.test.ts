// What a person gets to read of a failure.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { readScenario, writeFailure } from '../src/failure-file.ts'
import { History } from '../src/history.ts'
import { runScenario } from '../src/run-scenario.ts'
import { planScenario } from '../src/scenario.ts'
import { formatTrace } from '../src/trace.ts'

function story(): History {
  let nowMs = 0
  const history = new History(() => nowMs)
  history.note('n1.1', 'starts')
  history.note('n1.1', 'runs')
  history.note('n2.1', 'runs')
  history.note('n1.1', 'leads')
  history.note('store', 'cell/3 epoch 7: n1.1', 'cell/3')
  history.note('store', 'cell/4 epoch 8: n2.1', 'cell/4')
  nowMs = 100
  history.note('store', 'cell/3 epoch 9: n2.1', 'cell/3')
  history.note('store', 'cell/4 epoch 10: n1.1', 'cell/4')
  for (const actor of ['cell/a1', 'cell/a2']) {
    const { message } = history.sent({
      source: 'n1.1',
      actor,
      guarantee: 'exactly-once',
      form: 'send',
      timeoutMs: 500,
      insideOf: undefined,
      isProbe: false,
    })
    nowMs = 101.5
    history.turn({ message, actor, process: 'n2.1', life: history.born(actor, 'n2.1'), count: 1, epoch: 9, problem: undefined })
    nowMs = 103
    history.ended(message, 'ok')
  }
  return history
}

test('everything, one column for each node', () => {
  expect(formatTrace(story()).split('\n').slice(6)).toEqual([
    '    100.00  store  cell/3 epoch 9: n2.1',
    '    100.00  store  cell/4 epoch 10: n1.1',
    '    100.00  n1.1      send #0 -> cell/a1 (exactly-once, no. 1)',
    '    101.50  n2.1         life 1 of cell/a1 begins',
    '    101.50  n2.1         life 2 of cell/a2 begins',
    '    101.50  n2.1         handles #0 for cell/a1 life 1 turn 1 epoch 9',
    '    101.50  n2.1         handles #1 for cell/a2 life 2 turn 1 epoch 9',
    '    103.00  n1.1      send #1 -> cell/a2 (exactly-once, no. 1)',
    '    103.00  n1.1      #0 ended: ok ',
    '    103.00  n1.1      #1 ended: ok ',
  ])
})

test('only what it is about, with how things stood before in one line', () => {
  const about = { actors: new Set(['cell/a1']), units: new Set(['cell/3']), messages: new Set([0]) }
  expect(formatTrace(story(), { fromMs: 99, about }).split('\n')).toEqual([
    '     until  99.00: n1.1, n2.1 run; n1.1 leads; cell/3 epoch 7: n1.1 (5 lines left out)',
    '    100.00  store  cell/3 epoch 9: n2.1',
    '    100.00  n1.1      send #0 -> cell/a1 (exactly-once, no. 1)',
    '    101.50  n2.1         life 1 of cell/a1 begins',
    '    101.50  n2.1         handles #0 for cell/a1 life 1 turn 1 epoch 9',
    '    103.00  n1.1      #0 ended: ok ',
  ])
})

test('a failure leaves a file that decides the run, and a trace beside it that begins with what matters', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'cajun-trace-'))
  try {
    const scenario = planScenario(3)
    const result = await runScenario(scenario)
    const { scenarioPath, tracePath } = await writeFailure(directory, result)
    const again = await runScenario(readScenario(scenarioPath))
    expect(again.traceHash).toBe(result.traceHash)
    const [, , first] = readFileSync(tracePath, 'utf8').split('\n')
    expect(first).toMatch(/^ +until {2}\d+\.\d\d: n1\.1, n2\.1.* run; n1\.1 leads; \d+ shards are placed \(\d+ lines left out\)$/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('a file that holds no scenario is refused with its name', () => {
  expect(() => readScenario('/nowhere/seed-1.json')).toThrow(/^the scenario in \/nowhere\/seed-1\.json can't be read: ENOENT/)
  expect(() => readScenario(import.meta.filename)).toThrow(/trace\.test\.ts can't be read: .*JSON/)
  expect(() => readScenario(join(import.meta.dirname, '../package.json'))).toThrow(
    /package\.json holds no scenario; it must be a file that a failing seed has left/,
  )
})
