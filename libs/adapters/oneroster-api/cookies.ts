// Cookies of one connection, which some sources need so that all requests meet the same machine (Aeries).
// It keeps true that a cookie goes back to the very host that set it alone, whatever domain it claims.

const mostPerHost = 50;
const longest = 4_096;

type Cookie = { readonly value: string; readonly isSecure: boolean; readonly until: number };

export class CookieJar {
  readonly #hosts = new Map<string, Map<string, Cookie>>();

  /** Keeps what an answer of the address set. Paths are not told apart: the whole connection is one session. */
  keep(url: URL, headers: readonly string[]): void {
    for (const header of headers) {
      const [pair = "", ...attributes] = header.split(";");
      const split = pair.indexOf("=");
      const name = pair.slice(0, split).trim();
      if (split < 1 || name === "" || pair.length > longest) continue;
      const cookies = this.#hosts.get(url.hostname) ?? new Map<string, Cookie>();
      this.#hosts.set(url.hostname, cookies);
      const isSecure = attributes.some((attribute) => attribute.trim().toLowerCase() === "secure");
      cookies.delete(name);
      const until = endOf(attributes);
      if (until > Date.now() && cookies.size < mostPerHost) {
        cookies.set(name, { value: pair.slice(split + 1).trim(), isSecure, until });
      }
    }
  }

  /** The header to send to an address, or null. */
  headerFor(url: URL): string | null {
    const cookies = [...(this.#hosts.get(url.hostname) ?? [])].filter(
      ([, cookie]) => cookie.until > Date.now() && (!cookie.isSecure || url.protocol === "https:"),
    );
    return cookies.length === 0 ? null : cookies.map(([name, { value }]) => `${name}=${value}`).join("; ");
  }
}

/** Epoch milliseconds; Max-Age comes before Expires (RFC 6265). */
function endOf(attributes: readonly string[]): number {
  const valueOf = (name: string): string | undefined =>
    attributes.map((attribute) => attribute.trim()).find((attribute) => attribute.toLowerCase().startsWith(`${name}=`));
  const age = Number(valueOf("max-age")?.slice("max-age=".length) ?? Number.NaN);
  if (!Number.isNaN(age)) return age <= 0 ? 0 : Date.now() + age * 1000;
  const expires = Date.parse(valueOf("expires")?.slice("expires=".length) ?? "");
  return Number.isNaN(expires) ? Number.POSITIVE_INFINITY : expires;
}
