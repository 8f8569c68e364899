/**
 * The name under which those at an address are counted who prove who they are, or fail to. One IPv4 address is one guesser. In IPv6 whoever has
 * one address has all of its network (/64), so that the network is one.
 */
export function guesserAt(clientHost: string): string {
  if (!clientHost.includes(':')) return clientHost
  const [groups] = clientHost.split('%', 1)
  const [head, tail] = groups.split('::')
  const first = head.split(':')
  const last = tail === undefined || tail === '' ? [] : tail.split(':')
  const missing = tail === undefined ? 0 : 8 - first.length - last.length
  const all = [...first, ...Array.from({ length: missing }, () => '0'), ...last]
  return `${all.slice(0, 4).join(':')}::/64`
}
