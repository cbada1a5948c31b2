//! Threads that keep their connections, and how many connections to an application wait for the next request.

use tokio::sync::{Barrier, mpsc};

use super::{
    balance::{refusing_always, reset},
    *,
};
use crate::{serve::Workers, upstream::Timeouts};

async fn on(workers: &Arc<Workers>, application: SocketAddr) -> Sidecar {
    let settings = UpstreamSettings { workers: workers.count(), ..UpstreamSettings::default() };
    let upstream = Upstream::new(&format!("http://{application}"), settings).expect("an upstream");
    let listener = Listener::bind("proxy", "127.0.0.1:0", "--listen").await.expect("a port");
    let listener = listener.spread_over(Arc::clone(workers));
    Sidecar::listening(listener, Arc::clone(&upstream).into(), upstream, Limits::default())
}

#[tokio::test]
async fn a_connection_stays_with_its_thread_and_so_do_those_that_are_made_for_it() {
    let recorder = Recorder::ok().await;
    let workers = Workers::start(2).expect("threads");
    let sidecar = on(&workers, recorder.address).await;
    let (mut first, mut second) = (sidecar.connect().await, sidecar.connect().await);
    for round in 1..=3 {
        for client in [&mut first, &mut second] {
            client.send(GET).await;
            assert_eq!(client.answer().await.status(), 200);
        }
        within(async {
            while sidecar.upstream.connections() != (2, 0) {
                tokio::task::yield_now().await;
            }
        })
        .await;
        assert_eq!(recorder.seen().len(), 2 * round);
    }
    let connections: Vec<usize> = recorder.seen().iter().map(|seen| seen.connection).collect();
    assert_eq!(connections, [0, 1, 0, 1, 0, 1]);
    sidecar.shutdown.drain();
    within(sidecar.served).await.expect("it ends");
    assert!(first.is_closed().await && second.is_closed().await);
}

#[tokio::test]
async fn a_drain_waits_for_what_the_threads_have_under_way() {
    let (asked, mut was_asked) = mpsc::channel(1);
    let go = Arc::new(Barrier::new(2));
    let gate = Arc::clone(&go);
    let address = upstream(move |mut app, _| {
        let (asked, gate) = (asked.clone(), Arc::clone(&gate));
        async move {
            app.head().await;
            asked.send(()).await.expect("the test lives");
            gate.wait().await;
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            while app.more().await {}
        }
    })
    .await;
    let workers = Workers::start(2).expect("threads");
    let sidecar = on(&workers, address).await;
    let mut client = sidecar.connect().await;
    client.send(GET).await;
    within(was_asked.recv()).await;
    sidecar.shutdown.drain();
    go.wait().await;
    assert_eq!(client.answer().await.text(), "ok");
    within(sidecar.served).await.expect("it ends");
}

#[tokio::test]
async fn no_more_connections_are_kept_than_was_said() {
    let together = Arc::new(Barrier::new(5));
    let address = upstream(move |mut app, _| {
        let together = Arc::clone(&together);
        async move {
            app.head().await;
            together.wait().await;
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            while app.more().await {}
        }
    })
    .await;
    let settings = UpstreamSettings { max_idle: 2, ..UpstreamSettings::default() };
    let sidecar = Sidecar::with(address, settings, Limits::default()).await;
    let mut clients = Vec::new();
    for _ in 0..5 {
        let mut client = sidecar.connect().await;
        client.send(GET).await;
        clients.push(client);
    }
    for client in &mut clients {
        assert_eq!(client.answer().await.status(), 200);
    }
    sidecar.settled(2).await;
}

#[tokio::test]
async fn a_connection_that_nobody_needs_is_closed_without_being_asked_for() {
    let (closing, mut closed) = mpsc::channel(1);
    let address = upstream(move |mut app, _| {
        let closing = closing.clone();
        async move {
            app.head().await;
            app.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            closing.send(app.is_closed().await).await.expect("the test lives");
        }
    })
    .await;
    let timeouts = Timeouts { idle: Duration::from_millis(400), ..Timeouts::default() };
    let settings = UpstreamSettings { timeouts, ..UpstreamSettings::default() };
    let sidecar = Sidecar::with(address, settings, Limits::default()).await;
    assert_eq!(sidecar.ask(GET).await.status(), 200);
    assert_eq!(within(closed.recv()).await, Some(true));
    assert_eq!(sidecar.upstream.connections(), (0, 0));
}

#[tokio::test]
async fn an_address_that_refuses_again_and_again_is_asked_twice() {
    const REFUSED_STREAM: u8 = 7;
    let (address, requests) = refusing_always(|stream| reset(stream, REFUSED_STREAM)).await;
    let sidecar = Sidecar::to(&format!("h2c://{address}"), UpstreamSettings::default()).await;
    assert_eq!(sidecar.ask(GET).await.status(), 502);
    assert_eq!(*requests.lock().expect("unpoisoned"), 2);
}
