//! Every row of the list of attacks on whatever verifies tokens (A1 to A14), each with the tests that hold it.
//!
//! A1 to A9, A11 and A12 are the cases of `corpus/`, which are data: a row's test judges all of its cases and names those
//! that came out otherwise. A10, A13, and of A11 and A12 what takes a request, a cache or a network, are held where these
//! are; [`ELSEWHERE`] says where, and [`the_tests_that_are_named_exist`] that it is true. A14 asks for comparisons in constant
//! time: codes are compared by the library's `hmac::verify`, secrets of callers by `verify_slices_are_equal`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a test may panic"
)]

mod common;
mod corpus;

use std::{collections::BTreeSet, path::Path, sync::LazyLock};

use common::{Bench, NOW};
use corpus::{Case, Expected};
use orgate_verify::Verified;

static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| corpus::all(NOW));

/// What came of a case that came out otherwise.
fn otherwise(bench: &Bench, case: &Case) -> Option<String> {
    let own = case.jwks.as_deref().map(Bench::with_jwks);
    let result = own.as_ref().unwrap_or(bench).verify(&case.token);
    let is_powerless = |verified: &Verified| {
        let principal = verified.principal();
        let may_write = principal.permissions().iter().any(|permission| permission.as_str() == "write");
        !may_write && principal.organization().is_none()
    };
    let is_as_expected = match (&result, case.expected) {
        (Ok(verified), Expected::Powerless) => is_powerless(verified),
        (Ok(_), Expected::Accepted) => true,
        (Err(error), Expected::Refused(kind)) => error.kind() == kind,
        _ => false,
    };
    let got = result.map(|_| "accepted").map_err(|error| format!("{:?}: {error}", error.kind()));
    (!is_as_expected)
        .then(|| format!("{} {}: expected {:?}, got {got:?}", case.row, case.name, case.expected))
}

#[track_caller]
fn hold(row: &str, at_least: usize) {
    let bench = Bench::new();
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.row == row).collect();
    assert!(cases.len() >= at_least, "{row} has {} cases", cases.len());
    let otherwise: Vec<String> = cases.iter().filter_map(|case| otherwise(&bench, case)).collect();
    assert!(otherwise.is_empty(), "{} of {} cases:\n{}", otherwise.len(), cases.len(), otherwise.join("\n"));
}

macro_rules! rows {
    ($($name:ident: $row:literal, $cases:literal;)*) => {
        $(#[test]
        fn $name() {
            hold($row, $cases);
        })*

        #[test]
        fn no_case_is_without_its_row_and_none_is_there_twice() {
            let cases = &*CASES;
            let rows: BTreeSet<&str> = cases.iter().map(|case| case.row).collect();
            assert_eq!(rows, BTreeSet::from([$($row),*]));
            let mut names = BTreeSet::new();
            let twice: Vec<_> =
                cases.iter().map(|case| (case.row, &case.name)).filter(|name| !names.insert(*name)).collect();
            assert!(twice.is_empty(), "{twice:?}");
            assert!(cases.len() >= 1_000, "{} cases", cases.len());
        }
    };
}

rows! {
    a1_the_algorithm_is_the_keys_and_never_the_tokens: "A1", 340;
    a2_a_signature_is_the_one_over_these_bytes: "A2", 160;
    a3_a_kid_is_compared_and_leads_nowhere: "A3", 28;
    a4_a_key_that_a_token_brings_is_not_read: "A4", 27;
    a5_nothing_changes_how_a_token_is_read: "A5", 80;
    a6_json_has_one_reading: "A6", 130;
    a7_a_token_has_one_spelling_and_a_bounded_size: "A7", 90;
    a8_times_are_whole_seconds_and_judged: "A8", 70;
    a9_issuer_audience_and_type_are_compared_exactly: "A9", 95;
    a11_claims_of_an_organization_have_one_shape: "A11", 140;
    a12_unfit_keys_are_skipped_and_the_others_serve: "A12", 110;
}

/// Rows, or parts of rows, that are held in another file.
const ELSEWHERE: [(&str, &str, &[&str]); 20] = [
    (
        "A2 Wycheproof, RFC 7515, RFC 7520, ed25519-speccheck",
        "src/vectors/tests.rs",
        &["wycheproof_signatures", "wycheproof_keys", "rfc_7520", "ed25519_speccheck", "rfc_7515_appendix_a"],
    ),
    ("A2 any bit", "tests/properties.rs", &["a_token_with_any_bit_flipped_is_refused"]),
    ("A3 without a kid", "tests/terms.rs", &["without_a_kid_the_key_must_be_the_only_one_of_its_algorithm"]),
    (
        "A8 leeway, clock",
        "tests/terms.rs",
        &["the_leeway_is_applied_once_to_each_time", "a_clock_at_the_end_of_its_range_does_not_panic"],
    ),
    ("A9 other types of token", "tests/terms.rs", &["where_plain_jwts_pass_other_kinds_of_token_do_not"]),
    (
        "A10 the Authorization header",
        "../orgate/src/credentials/bearer.rs",
        &[
            "the_scheme_is_case_insensitive_and_the_token_is_not_touched",
            "other_schemes_are_no_credential_of_ours",
            "two_credentials_are_refused",
            "what_is_there_and_unreadable_is_not_absent",
        ],
    ),
    (
        "A10 other places",
        "../orgate/tests/credentials.rs",
        &[
            "each_source_is_read_and_two_credentials_are_refused",
            "what_stands_where_nobody_looks_is_no_credential",
        ],
    ),
    ("A11 statuses", "../orgate/tests/gate.rs", &["what_a_token_lacks_is_told_by_its_code"]),
    (
        "A11 headers at the application",
        "../../sidecar/src/tests/headers.rs",
        &["identity_comes_from_the_gate_alone"],
    ),
    (
        "A12 sets",
        "src/key_set/tests.rs",
        &["a_set_is_bounded_in_bytes_and_keys", "two_keys_of_one_kid_and_algorithm_are_both_refused"],
    ),
    (
        "A12 fetching",
        "../orgate-remote/tests/remote.rs",
        &[
            "a_failure_keeps_the_last_good_set_and_is_told",
            "a_document_cannot_point_the_gate_anywhere_else",
            "unknown_kids_in_a_row_cause_one_fetch_per_interval",
            "a_rotation_is_picked_up_by_a_refresh",
            "an_issuer_that_is_down_at_the_start_is_found_when_it_comes",
        ],
    ),
    ("A12 two issuers", "tests/terms.rs", &["a_token_of_one_issuer_is_never_tried_with_the_keys_of_another"]),
    (
        "A13 the cache",
        "../orgate/tests/gate.rs",
        &[
            "a_cached_token_ends_with_the_token",
            "a_cached_token_ends_with_its_key",
            "a_cached_token_is_read_again_under_another_policy",
            "one_byte_of_difference_is_another_token",
        ],
    ),
    (
        "A13 what is kept and what is not",
        "../orgate/tests/token_cache.rs",
        &[
            "the_times_of_a_token_are_judged_on_each_hit",
            "the_decision_is_made_anew_on_each_hit",
            "of_many_requests_at_once_each_is_decided_by_its_own_token",
        ],
    ),
    (
        "A13 bounds",
        "../orgate/tests/forgeries.rs",
        &["what_is_wrong_otherwise_is_not_remembered", "a_flood_of_forgeries_leaves_good_tokens_alone"],
    ),
    (
        "A12 where keys may be",
        "../orgate-remote/src/address.rs",
        &["a_document_may_not_point_to_the_address_of_another_machine"],
    ),
    (
        "A12 names that lead inside",
        "../orgate-remote/src/resolve.rs",
        &["a_name_that_leads_inside_has_no_address"],
    ),
    (
        "A12 a rotation under load",
        "../orgate/tests/chaos.rs",
        &["a_rotation_refuses_nobody_and_what_was_removed_is_refused"],
    ),
    (
        "A13 failures",
        "tests/terms.rs",
        &["a_bad_signature_under_a_known_key_is_told_apart_from_every_other_refusal"],
    ),
    ("A14 codes", "tests/terms.rs", &["an_issuer_with_a_secret_takes_its_codes_and_no_signatures"]),
];

#[test]
fn the_tests_that_are_named_exist() {
    for (row, file, tests) in ELSEWHERE {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{row}: {file}: {error}"));
        for test in tests {
            assert!(text.contains(&format!("fn {test}(")), "{row}: {file} has no test `{test}`");
        }
    }
}
