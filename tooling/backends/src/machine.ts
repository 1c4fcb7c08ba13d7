// Where programs, libraries and jars are: on the machine itself, or in a folder that Debian packages were unpacked to.

import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

export interface Machine {
  /** The full path, or undefined. */
  program(name: string): string | undefined
  /** The full path of `/usr/share/java/<name>`, or undefined. */
  jar(name: string): string | undefined
  /** The full path of a folder that is given from the root of the file system, or undefined. */
  folder(path: string): string | undefined
  /** What the programs need in their environment. */
  readonly env: Readonly<Record<string, string>>
}

const SYSTEM_FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/sbin', '/usr/local/sbin']

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** `root`: the folder in which packages were unpacked; it is looked at first. */
export function machineAt(root: string | undefined): Machine {
  const unpacked = root === undefined ? [] : ['usr/bin', 'usr/sbin'].map((folder) => join(root, folder))
  const folders = [...unpacked, ...(process.env['PATH'] ?? '').split(delimiter).filter(Boolean), ...SYSTEM_FOLDERS]
  const jarFolders = [...(root === undefined ? [] : [join(root, 'usr/share/java')]), '/usr/share/java']
  return {
    program: (name) => folders.map((folder) => join(folder, name)).find(executable),
    jar: (name) => jarFolders.map((folder) => join(folder, name)).find((path) => existsSync(path)),
    folder: (path) => [...(root === undefined ? [] : [join(root, path)]), join('/', path)].find((whole) => existsSync(whole)),
    env: root === undefined ? {} : { LD_LIBRARY_PATH: [`${root}/usr/lib/${debianTriplet()}`, `${root}/usr/lib`].join(delimiter) },
  }
}

function debianTriplet(): string {
  return process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
}
