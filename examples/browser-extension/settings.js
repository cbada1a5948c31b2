// Where the web application is, and the issuer whose session it has.
export const APP = 'http://localhost:8080';
export const ISSUER = `${APP}/auth/p/proj_notes`;
