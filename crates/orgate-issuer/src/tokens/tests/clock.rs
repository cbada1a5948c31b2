//! A clock that jumps.

use super::*;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

#[orgate_testkit::both]
async fn a_clock_that_jumps_ends_what_is_over_and_nothing_else() {
    let site = site().await;
    let tokens = site.tokens("member", None).await;
    let code = site.browser().code("admin", None, "openid").await;
    // Back by an hour: nothing has ended, nothing is used up, and numbers of events go on.
    site.clock.advance(-HOUR);
    let tokens = site.browser().token(&refresh(&tokens)).await.json();
    assert_eq!(site.browser().token(&exchange(&code)).await.status, 200);
    let code = site.browser().code("admin", None, "openid").await;
    let before = site.events().await.len();
    // And forth by a day: the code is over, sessions and refresh tokens are not.
    site.clock.advance(HOUR + DAY);
    assert_eq!(site.browser().token(&exchange(&code)).await.json()["error"], "invalid_grant");
    let tokens = site.browser().token(&refresh(&tokens)).await.json();
    site.browser().code("admin", None, "openid").await;
    let numbers: Vec<i64> = site.events().await.iter().map(|(number, _)| *number).collect();
    assert!(numbers.len() > before);
    let own = site.count("SELECT COUNT(*) AS n FROM events WHERE project_id = 'proj_p'").await;
    assert_eq!(own, site.count("SELECT MAX(seq) AS n FROM events WHERE project_id = 'proj_p'").await);
    // So far ahead that everything is over; the way back brings no error.
    site.clock.advance(400 * DAY);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.json()["error"], "invalid_grant");
    site.clock.advance(-400 * DAY);
    assert_eq!(site.browser().token(&refresh(&tokens)).await.status, 200);
}
