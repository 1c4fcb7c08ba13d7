// The suite is tested against transports that break one promise each: the case of that promise must fail, and pass with the transport whole.

import { describe, expect, test } from 'vitest'
import { caseName, type MessagingContractOptions, messagingSystemCases, runMessagingCase } from '../../src/index.ts'
import { brokenTransports } from '../support/broken-transports.ts'
import { memoryMessaging, memoryMessagingHarness } from '../support/memory-messaging-harness.ts'

function optionsFor(harness: MessagingContractOptions['harness']): MessagingContractOptions {
  return { name: 'broken', harness, ...memoryMessaging, caseTimeoutMs: 20_000 }
}

describe('a transport that', () => {
  for (const { what, breaks, harness } of brokenTransports) {
    const [number, title] = breaks
    test(`${what} fails promise ${number}`, async () => {
      const cases = messagingSystemCases.filter((candidate) => candidate.number === number && candidate.title.includes(title))
      expect(cases.length, `cases of promise ${number} with '${title}'`).toBeGreaterThan(0)
      for (const messagingCase of cases) {
        expect(
          await runMessagingCase(
            messagingCase,
            optionsFor(() => memoryMessagingHarness()),
          ),
          caseName(messagingCase),
        ).toEqual({ type: 'passed' })
        const failure = await runMessagingCase(messagingCase, optionsFor(harness)).catch((error: unknown) => error)
        expect(failure, caseName(messagingCase)).toBeInstanceOf(Error)
      }
    })
  }
})

test('every promise has a case of its number, and a transport that breaks it', () => {
  expect([...new Set(brokenTransports.map(({ breaks }) => breaks[0]))].sort((a, b) => a - b)).toEqual(
    Array.from({ length: 17 }, (_, i) => i + 1),
  )
  const numbers = new Set(messagingSystemCases.map((messagingCase) => messagingCase.number))
  expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 17 }, (_, i) => i + 1))
})

test('a case that can not be run says why', async () => {
  const harness = () => {
    const { cut: _, ...crippled } = memoryMessagingHarness()
    return crippled
  }
  const messagingCase = messagingSystemCases.find((candidate) => candidate.title.includes('above the high-water mark'))
  if (messagingCase === undefined) throw new Error('no such case')
  const outcome = await runMessagingCase(messagingCase, optionsFor(harness))
  expect(outcome).toEqual({ type: 'skipped', reason: "the harness can't cut the network (cut, restore)" })
})
