/**
 * The name under which failed authentications from an address are counted. One IPv4 address is one
 * guesser. A client that has one IPv6 address has all of its network (/64), so that the network is
 * one.
 */
export function guesserAt(clientHost: string): string {
  if (!clientHost.includes(':')) return clientHost
  const [groups] = clientHost.split('%', 1)
  const [head, tail] = groups.split('::')
  const first = head.split(':')
  const last = tail ? tail.split(':') : []
  const missing = tail === undefined ? 0 : 8 - first.length - last.length
  const all = [...first, ...Array.from({ length: missing }, () => '0'), ...last]
  return `${all.slice(0, 4).join(':')}::/64`
}
