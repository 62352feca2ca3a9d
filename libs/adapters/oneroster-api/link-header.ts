// Reads the Link header (RFC 8288) as servers write it: with or without angle brackets, absolute or relative.

/** In brackets an address may hold anything, semicolons too. */
const bracketForm = /^\s*<\s*([^>]*?)\s*>\s*;(.*)$/su;
const bareForm = /^\s*<?\s*([^<>;]*?)\s*>?\s*;(.*)$/su;

/**
 * The address under rel=next, resolved against the answer's own; null where there is none.
 * Commas part entries, but also stand in addresses: an entry begins only before `<`, a scheme, `/`, `?` or `.`.
 */
export function nextLink(header: string | undefined, from: URL): URL | null {
  if (header === undefined) return null;
  for (const entry of header.split(/,(?=\s*(?:<|https?:|[/?.]))/iu)) {
    const [, address, parameters] = bracketForm.exec(entry) ?? bareForm.exec(entry) ?? [];
    if (address === undefined || address === "" || parameters === undefined) continue;
    const rels = /(?:^|;)\s*rel\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s;,"']+))/iu.exec(parameters);
    const names = (rels?.[1] ?? rels?.[2] ?? rels?.[3] ?? "").toLowerCase().split(/\s+/u);
    if (names.includes("next") && URL.canParse(address, from.href)) return new URL(address, from);
  }
  return null;
}
