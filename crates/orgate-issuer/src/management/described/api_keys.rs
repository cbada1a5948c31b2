//! The API keys of organizations.

use super::Family;
use crate::{
    http::problem::Code,
    openapi::{Members, Named, Operation, body, number, object, one_of, text, texts, time},
};

impl Family {
    pub(in super::super) fn list_api_keys(self) -> Operation {
        self.about(["listApiKeys", "listApiKeysOfOwnOrganization"], "The API keys of an organization")
            .lists(API_KEY)
    }

    pub(in super::super) fn create_api_key(self) -> Operation {
        let names = ["createApiKey", "createApiKeyOfOwnOrganization"];
        self.change(names, "A new API key, which is shown this once")
            .takes(
                body()
                    .with("name", text())
                    .with("permissions", texts())
                    .may("expires_in", number().or_null()),
            )
            .gives(201, NEW_API_KEY)
            .once()
            .refuses(&[
                Code::UnknownPermission,
                Code::PermissionNotHeld,
                Code::PermissionsTooLarge,
                Code::Conflict,
            ])
    }

    pub(in super::super) fn read_api_key(self) -> Operation {
        self.about(["readApiKey", "readApiKeyOfOwnOrganization"], "An API key").gives(200, API_KEY)
    }

    pub(in super::super) fn revoke_api_key(self) -> Operation {
        self.about(["revokeApiKey", "revokeApiKeyOfOwnOrganization"], "Revoke an API key").gives(200, API_KEY)
    }
}

const STATES: [&str; 4] = ["active", "expired", "revoked", "orphaned"];

fn api_key() -> Members {
    object()
        .with("id", text())
        .with("organization_id", text())
        .with("name", text())
        .with("hint", text())
        .with("permissions", texts())
        .with("status", one_of(STATES))
        .with("created_by", text().or_null())
        .with("created_at", time())
        .with("expires_at", time().or_null())
        .with("last_used_at", time().or_null())
        .with("revoked_at", time().or_null())
}

const API_KEY: Named = Named("ApiKey", || api_key().done());

const NEW_API_KEY: Named = Named("NewApiKey", || api_key().with("key", text()).done());
