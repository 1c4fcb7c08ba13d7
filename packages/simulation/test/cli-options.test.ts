// What `pnpm simulate` makes of its command line.

import { expect, test } from 'vitest'
import { parseCommand, UsageError } from '../src/cli-options.ts'

const parse = (line: string) => parseCommand(line.split(' ').filter((word) => word !== ''))

test('without anything: 2,000 seeds from 1 on two threads, every mark insisted on', () => {
  expect(parse('')).toMatchObject({
    kind: 'seeds',
    from: 1,
    count: 2_000,
    limitMs: undefined,
    threads: 2,
    keepGoing: false,
    insistOnMarks: true,
  })
})

test('a number of seeds, a time, or both', () => {
  expect(parse('--seeds 5 --from 7 --threads 1 --keep-going --no-marks')).toMatchObject({
    count: 5,
    from: 7,
    threads: 1,
    keepGoing: true,
    insistOnMarks: false,
  })
  expect(parse('--minutes 1.5')).toMatchObject({ count: undefined, limitMs: 90_000 })
  expect(parse('--minutes 2 --seeds 9')).toMatchObject({ count: 9, limitMs: 120_000 })
})

test('one seed, or a file, with what the scenario is planned with', () => {
  expect(parse('--seed 17 --nodes 4 --actors 9 --messages 0 --watches 3 --shrink-seconds 0 --out d')).toEqual({
    kind: 'seed',
    seed: 17,
    options: { nodes: 4, actors: 9, messages: 0, watches: 3 },
    directory: 'd',
    shrinkMs: 0,
  })
  expect(parse('--replay f.json')).toMatchObject({ kind: 'replay', path: 'f.json', shrinkMs: 20_000 })
  expect(parse('--help --seed 1')).toEqual({ kind: 'help' })
})

test.each([
  ['--nodes 0', "--nodes is '0'; it must be a whole number, 1 or more"],
  ['--nodes 2.5', "--nodes is '2.5'; it must be a whole number, 1 or more"],
  ['--nodes many', "--nodes is 'many'; it must be a whole number, 1 or more"],
  ['--actors 0', "--actors is '0'; it must be a whole number, 1 or more"],
  ['--messages=-1', "--messages is '-1'; it must be a whole number, 0 or more"],
  ['--seeds 0', "--seeds is '0'; it must be a whole number, 1 or more"],
  ['--seed 1.5', "--seed is '1.5'; it must be a whole number, 0 or more"],
  ['--seed=', "--seed is ''; it must be a whole number, 0 or more"],
  ['--threads 0', "--threads is '0'; it must be a whole number, from 1 to 256"],
  ['--minutes 0', "--minutes is '0'; it must be a number above 0"],
  ['--minutes=-1', "--minutes is '-1'; it must be a number, 0 or more"],
  ['--shrink-seconds soon', "--shrink-seconds is 'soon'; it must be a number, 0 or more"],
  ['--seed 1 --seeds 3', '--seeds says nothing beside --seed; leave one of the two out'],
  ['--seed 1 --minutes 3', '--minutes says nothing beside --seed; leave one of the two out'],
  ['--replay f --nodes 3', '--nodes says nothing beside --replay; leave one of the two out'],
  ['--bogus', "Unknown option '--bogus'"],
  ['--seeds', "Option '--seeds <value>' argument missing"],
  ['17', "Unexpected argument '17'. This command does not take positional arguments"],
])('refuses %s', (line, message) => {
  expect(() => parse(line)).toThrow(new UsageError(message))
})
