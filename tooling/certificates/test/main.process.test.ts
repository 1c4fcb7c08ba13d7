import { execFile } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'

const main = new URL('../src/main.ts', import.meta.url).pathname
const folder = mkdtempSync(join(tmpdir(), 'cajun-certificates-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  return new Promise((resolve) => {
    const child = execFile(process.execPath, ['--conditions=@cajun/source', main, ...args], (_, out, err) =>
      resolve({ code: child.exitCode ?? -1, out, err }),
    )
  })
}

const file = (name: string): string => readFileSync(join(folder, name), 'utf8')

describe('pnpm certificates', () => {
  test('makes an authority, a secret, and a certificate for each node', async () => {
    const { code, out } = await run(
      '--cluster',
      'c 1',
      '--node',
      'a',
      '--node',
      'b/1',
      '--host',
      'a.example.org',
      '--days',
      '7',
      '--out',
      folder,
    )
    expect(code).toBe(0)
    const secret = file('secret.txt')
    expect(Buffer.from(secret, 'base64')).toHaveLength(32)
    expect(out).not.toContain(secret)
    const ca = new X509Certificate(file('ca.pem'))
    expect(ca.ca).toBe(true)
    for (const [name, uri] of [
      ['a', 'spiffe://c%201/node/a'],
      ['b%2F1', 'spiffe://c%201/node/b%2F1'],
    ] as const) {
      const certificate = new X509Certificate(file(`${name}.pem`))
      expect(certificate.subjectAltName).toBe(`URI:${uri}, DNS:a.example.org`)
      expect(certificate.verify(ca.publicKey)).toBe(true)
      expect(certificate.ca).toBe(false)
      expect(certificate.checkPrivateKey(createPrivateKey(file(`${name}-key.pem`)))).toBe(true)
      expect(Math.round((Date.parse(certificate.validTo) - Date.parse(certificate.validFrom)) / 86_400_000)).toBe(7)
    }
    for (const name of ['ca-key.pem', 'a-key.pem', 'secret.txt']) expect(statSync(join(folder, name)).mode & 0o077).toBe(0)
  })

  test('keeps authority and secret when it runs again, and makes the certificate anew', async () => {
    const before = [file('ca.pem'), file('secret.txt'), file('a.pem')]
    expect((await run('--cluster', 'c 1', '--node', 'a', '--out', folder)).code).toBe(0)
    const after = [file('ca.pem'), file('secret.txt'), file('a.pem')]
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2))
    expect(after[2]).not.toBe(before[2])
  })

  test.each([
    [['--node', 'a'], '--cluster is missing'],
    [['--cluster', 'c'], '--node is missing'],
    [['--cluster', 'c', '--node', 'a', '--days', 'x'], '--days is x; it must be a whole number'],
    [['--nonsense'], "Unknown option '--nonsense'"],
  ])('%j is refused with what is wrong and how it is used', async (args, problem) => {
    const { code, err } = await run(...args)
    expect(code).toBe(2)
    expect(err).toContain(problem)
    expect(err).toContain('Usage: pnpm certificates')
  })
})
