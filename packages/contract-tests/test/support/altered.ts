// A driver that is right in everything but what is overridden: the stuff that broken drivers are made of.

/** `target`, with `changes` in front. Methods run on the target itself, whose private fields a mere subclass object would not have. */
export function altered<T extends object>(target: T, changes: Partial<Record<keyof T, unknown>>): T {
  return new Proxy(target, {
    get(_, property) {
      const descriptor = Object.getOwnPropertyDescriptor(changes, property)
      if (descriptor !== undefined) return descriptor.get === undefined ? descriptor.value : descriptor.get()
      const value = Reflect.get(target, property, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
