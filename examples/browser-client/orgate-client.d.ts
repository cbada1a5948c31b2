/** Where the issuer is. */
export type IssuerOptions =
  /** The project's issuer: `https://id.example.com/p/proj_demo`. */
  | { issuer: string; baseUrl?: never; project?: never }
  /** The same in two parts. */
  | { issuer?: never; baseUrl: string; project: string };

/** What of React the hooks use. */
export interface ReactLike {
  useSyncExternalStore<T>(
    subscribe: (listener: () => void) => () => void,
    getSnapshot: () => T,
    getServerSnapshot?: () => T,
  ): T;
}

export type ClientOptions = IssuerOptions & {
  /** React, for the hooks. */
  react?: ReactLike;
  /** A secret key (`sk_…`), for `admin` in a program of your own. It has no place in a page. */
  key?: string;
  /** Origins besides the page's own that `fetch` may send tokens to. */
  apis?: readonly string[];
  /** The prefix of the end users' API, if the issuer has another one than `/v1/auth`. */
  prefix?: string;
  /** Stands in for the global `fetch`. */
  fetch?: typeof globalThis.fetch;
};

export interface Organization {
  id: string;
  name: string;
  slug: string;
}

/** An organization that the user belongs to. */
export interface OwnOrganization extends Organization {
  role: string;
  member_id: string;
  is_personal: boolean;
}

/** An organization as its members see it. */
export interface OrganizationDetails extends Organization {
  logo_url: string | null;
  member_count: number;
  public_metadata: Record<string, unknown>;
  created_at: string;
  [more: string]: unknown;
}

export interface Session {
  id: string;
  project_id: string;
  user: { id: string; email: string; email_verified: boolean; name: string | null };
  activeOrganizationId: string | null;
  active_organization_id: string | null;
  organization: Organization | null;
  role: string | null;
  permissions: string[];
  /** RFC 3339. */
  expires_at: string;
}

export interface NewOrganization {
  name: string;
  slug?: string;
  logo_url?: string;
  public_metadata?: Record<string, unknown>;
}

export interface CreateOptions {
  /** Makes sending it again harmless. */
  idempotencyKey?: string;
}

export interface TokenOptions {
  /** Id or slug of the organization that the token is for; the session's active one, if absent; none, if `null`. */
  org?: string | null;
  /** A token that was refused: another one is fetched unless that has happened already. */
  stale?: string;
}

/** A refusal of the issuer. */
export class OrgateError extends Error {
  constructor(code: string, message?: string, details?: object);
  readonly name: 'OrgateError';
  /** The issuer's code, or `network`, `bad_issuer`, `foreign_origin`, `no_react`, `http_STATUS`. */
  readonly code: string;
  /** Of the answer, if there was one. */
  readonly status?: number;
  /** The field that is at fault, of `invalid_value`. */
  readonly field?: string;
  /** For the people who run the issuer. */
  readonly requestId?: string;
  /** In how many seconds to try again. */
  readonly retryAfter?: number;
}

/** `undefined` until it was read once, `null` while nobody is signed in. */
export type Known<T> = T | null | undefined;

export interface Client {
  readonly issuer: string;
  /** Reads the session; `null` if nobody is signed in. Many callers at once cause one request. */
  session(): Promise<Session | null>;
  readonly user: {
    /** All organizations of the user, with the user's role. */
    getOrganizations(): Promise<OwnOrganization[]>;
  };
  /** Switches the session's organization, by id or slug, in all tabs; `null` for none. */
  setActiveOrganization(id: string | null): Promise<Session>;
  readonly organizations: {
    /** Makes an organization of which the user is the owner. */
    create(input: NewOrganization, options?: CreateOptions): Promise<OrganizationDetails>;
  };
  readonly admin: {
    readonly organizations: {
      /** Makes an organization of which the user `created_by` is the owner; for operators and secret keys. */
      create(input: NewOrganization & { created_by: string }, options?: CreateOptions): Promise<OrganizationDetails>;
    };
  };
  /** Ends the session, in all tabs. */
  signOut(): Promise<void>;
  /** An access token of the session. It is renewed before it ends, once for all callers and tabs. */
  token(options?: TokenOptions): Promise<string>;
  /** `fetch` with a token, to the page's own origin and those in `apis`; after a 401 once more with a new one. */
  fetch(input: string | URL, init?: RequestInit, options?: { org?: string | null }): Promise<Response>;
  /** Where to send somebody to sign in and, if there are several, to choose an organization. */
  signInUrl(returnTo?: string): string;
  /** The session for other frameworks than React. */
  readonly store: {
    subscribe(listener: () => void): () => void;
    getSnapshot(): Known<Session>;
  };
  /** The session, as a React hook. */
  useSession(): Known<Session>;
  /** The active organization, as a React hook. */
  useActiveOrganization(): Known<Organization>;
  /** Stops listening to other tabs. */
  close(): void;
}

export function createClient(options: ClientOptions): Client;
