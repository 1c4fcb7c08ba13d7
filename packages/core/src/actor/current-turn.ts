// Whose turn is running synchronously at this moment: lets refs kept in modules know who sends, without AsyncLocalStorage.
// After the first `await` of a handler it says nothing any more; refs obtained through `ctx` carry their sender themselves.

import type { Activation } from './activation.ts'

export const currentTurn: { activation: Activation | undefined } = { activation: undefined }
