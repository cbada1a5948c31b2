// Compiled only: what applications write must have a type, and what they must not write must have none.
import { createClient, OrgateError, type Organization, type Session } from '../../examples/browser-client/orgate-client.js';
import * as React from 'react';

const client = createClient({ issuer: 'https://id.example.com/p/proj_demo', react: React });
createClient({ baseUrl: 'https://id.example.com', project: 'proj_demo', key: 'sk_x' });
// @ts-expect-error: nothing says where the issuer is
createClient({});
// @ts-expect-error: two issuers
createClient({ issuer: 'https://id.example.com/p/a', baseUrl: 'https://id.example.com', project: 'a' });

export async function seeds(): Promise<void> {
  const hj = client;
  const orgs = await hj.user.getOrganizations();
  await hj.setActiveOrganization(orgs[0]!.id);
  const org = await hj.organizations.create({ name: 'My Company', logo_url: 'https://example.com/logo.png' });
  const other = await hj.admin.organizations.create({ name: 'Customer Corp', created_by: 'usr_01HABCDEF123456' });
  // @ts-expect-error: whose it is must be said
  await hj.admin.organizations.create({ name: 'Customer Corp' });
  const session: Session | null = await hj.session();
  console.log(org.member_count, other.slug, session?.activeOrganizationId, orgs[0]!.role);
  try {
    await hj.token({ org: 'acme' });
  } catch (error) {
    if (error instanceof OrgateError) console.log(error.code, error.status);
  }
}

export function Popup(): string | undefined {
  const organization: Organization | null | undefined = client.useActiveOrganization();
  return organization?.name;
}
