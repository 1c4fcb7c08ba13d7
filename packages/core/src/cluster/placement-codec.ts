// The stored form of a placement document, see apps/docs/stored-keys.md.

import type { PlacementDocument } from './placement-document.ts'

export declare function encodePlacement(document: PlacementDocument): string
/** Throws `ProtocolError` naming the key and what is wrong. */
export declare function parsePlacement(key: string, value: string): PlacementDocument
