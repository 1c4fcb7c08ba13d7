// Keeps strings fast in a process that loads ioredis. ioredis derives a class from String; with that, V8 makes `String.prototype` a dictionary, and its
// compiler no longer inlines the methods of strings anywhere in the process: a loop of `charCodeAt` takes five times as long (the hash of an actor's id, and with
// it the look-up of its owner, twice as long). V8 makes a prototype fast again once it has seen properties being read through it from one place.

const READS = 100

function read(text: Pick<string, 'charCodeAt'>): unknown {
  return text.charCodeAt
}

/** After ioredis was loaded. Takes microseconds, and changes nothing that a program could see. */
export function keepStringsFast(): void {
  const text = Object.create(String.prototype) as Pick<string, 'charCodeAt'>
  for (let n = 0; n < READS; n++) read(text)
}
