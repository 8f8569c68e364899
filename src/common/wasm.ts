/** The part of WebAssembly that is needed here; the types of Node 20 leave it out. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object
  Instance: new (module: object) => { readonly exports: unknown }
}

/**
 * Instantiates a module in base64 and returns its exports; `undefined` where there is no
 * WebAssembly or it lacks a feature that the module uses.
 */
export function instantiate<Exports>(base64: string): Exports | undefined {
  const api = (globalThis as { WebAssembly?: WebAssemblyApi }).WebAssembly
  try {
    const bytes = Uint8Array.from(atob(base64), character => character.charCodeAt(0))
    return api && (new api.Instance(new api.Module(bytes)).exports as Exports)
  } catch {
    return undefined
  }
}
