// The compact form of payloads: what most messages are made of (plain objects, arrays, strings, numbers, booleans, null, undefined), written straight into the
// frame by `compact-writer.ts` and read by `compact-reader.ts`. Objects of the same keys share a shape (`key-shapes.ts`): its keys are written once in a payload,
// and made into strings once in a process. What needs more room than there is, or holds anything else, is left to the other forms.
//
// Gotcha, on the wire: a value is a tag byte and its body; integers of more than a byte are little-endian.
//
//   0x00-0x7f  the integer 0 to 127                     0xc6  string: length u24, UTF-8
//   0x80-0xbf  string of 0 to 63 bytes of ASCII         0xc7  array: count u24, values
//   0xc0 null  0xc1 false  0xc2 true  0xc3 undefined    0xc8  object: check u16, count u8, length u16, (length u8, ASCII)* for each key; values
//   0xc4       int32                                    0xc9  object of a shape that came before in this payload: its number u8; values
//   0xc5       float64                                  0xca  object of other keys: count u24, (string, value)*
//
// `check` is a hash of the keys' bytes, by which the reader finds the shape. It is not believed: the bytes are compared.

export const SHORT_TEXT = 0x80
export const SHORT_TEXT_LIMIT = 64
export const NULL = 0xc0
export const FALSE = 0xc1
export const TRUE = 0xc2
export const UNDEFINED = 0xc3
export const INT32 = 0xc4
export const FLOAT64 = 0xc5
export const LONG_TEXT = 0xc6
export const ARRAY = 0xc7
export const OBJECT = 0xc8
export const KNOWN_OBJECT = 0xc9
export const WIDE_OBJECT = 0xca

/** Shapes of one payload that are written once. */
export const MAX_SHAPES = 256
