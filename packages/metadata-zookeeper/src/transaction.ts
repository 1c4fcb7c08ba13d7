// Several operations that happen at once or not at all (ZooKeeper's `multi`).

import { type ACL, type Client, CreateMode, Exception, type Stat } from 'node-zookeeper-client'
import type { TransactionInside } from './client.ts'
import { ZooKeeperError } from './zookeeper-errors.ts'

/** A version of -1: any. */
export type Operation =
  | { readonly type: 'check'; readonly path: string; readonly version: number }
  | { readonly type: 'set'; readonly path: string; readonly data: Buffer; readonly version: number }
  | { readonly type: 'remove'; readonly path: string; readonly version: number }
  | { readonly type: 'create'; readonly path: string; readonly data: Buffer; readonly ephemeral: boolean }

export type Committed =
  | { readonly ok: true; readonly zxid: bigint }
  /** Nothing was changed, because of the operation at this place. */
  | { readonly ok: false; readonly at: number; readonly code: number }

interface Result {
  readonly err?: number
  readonly stat?: Stat
}

/** At least one of the operations has to be a `set`: only its result says what the transaction's zxid is. */
export function commit(client: Client, operations: readonly Operation[], acls: ACL[]): Promise<Committed> {
  const transaction = client.transaction()
  const { ops } = transaction as unknown as TransactionInside
  for (const operation of operations) {
    const { type, path } = operation
    if (type === 'create') {
      transaction.create(path, operation.data, acls, operation.ephemeral ? CreateMode.EPHEMERAL : CreateMode.PERSISTENT)
      continue
    }
    if (type === 'check') transaction.check(path, operation.version)
    else if (type === 'set') transaction.setData(path, operation.data, operation.version)
    else transaction.remove(path, operation.version)
    // The library makes -1 of 0, which means any version: a write over the first version would be one over whatever is there.
    const last = ops.at(-1)
    if (last !== undefined) last.version = operation.version
  }
  return new Promise((resolve, reject) =>
    transaction.commit((error: Error | Exception | null | undefined, results: readonly Result[] | undefined) => {
      // Those before the one that failed have no error, those after it another.
      const at = results?.findIndex(({ err }) => err !== undefined && err !== Exception.OK) ?? -1
      if (results !== undefined && at >= 0) return resolve({ ok: false, at, code: results[at]?.err as number })
      if (error) return reject(error instanceof Exception ? new ZooKeeperError(error.code, 'write') : error)
      const stat = results?.find((result) => result.stat !== undefined)?.stat
      if (stat === undefined) return reject(new Error('the answer to a transaction holds no zxid'))
      resolve({ ok: true, zxid: stat.mzxid.readBigUInt64BE() })
    }),
  )
}
