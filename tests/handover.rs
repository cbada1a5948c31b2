//! The process is replaced under load and nobody is turned away: the socket is somebody else's, as under systemd, who is told
//! how it goes.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

use std::{
    net::TcpListener,
    os::unix::net::UnixDatagram,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use orgate_e2e::{Folder, Running, orgate, request};
use orgate_testkit::{Answer, Upstream};

/// What the supervisor is told next.
fn told(supervisor: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let length = supervisor.recv(&mut buffer).expect("it tells nothing");
    String::from_utf8(buffer[..length].to_vec()).unwrap()
}

/// Requests on new connections, each of which must be answered.
struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    clients: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn on(url: &str) -> Self {
        let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let client = || {
            let (over, answered, url) = (Arc::clone(&over), Arc::clone(&answered), url.to_owned());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let answer = request("GET", &url, &[], None);
                    assert_eq!((answer.status, &*answer.body), (200, "ok"));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        Self { clients: (0..4).map(|_| client()).collect(), over: Arc::clone(&over), answered }
    }

    /// Waits until so many more are answered; whoever was turned away has ended before.
    fn goes_on(&self, more: usize) {
        let wanted = self.answered.load(Ordering::Relaxed) + more;
        while self.answered.load(Ordering::Relaxed) < wanted {
            assert!(self.clients.iter().all(|client| !client.is_finished()), "a client was turned away");
            thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn end(self) -> usize {
        self.over.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.join().expect("a client was turned away");
        }
        self.answered.load(Ordering::Relaxed)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_is_replaced_under_load_and_nobody_is_turned_away() {
    let upstream = Upstream::start().await;
    upstream.answer(Answer::status(200).body("ok"));
    let folder = Folder::new();
    folder.write("orgate.yaml", "version: 1\nrules: {GET /a: public}\n");
    let path = folder.path().join("notify.sock");
    let supervisor = UnixDatagram::bind(&path).unwrap();
    supervisor.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    let start = || -> Running {
        let running = orgate()
            .with_socket(&socket)
            .args([
                "proxy",
                "--upstream",
                &upstream.url(),
                "--listen",
                "256.0.0.1:0",
                "--admin",
                "127.0.0.1:0",
            ])
            .env("NOTIFY_SOCKET", path.to_str().unwrap())
            .folder(folder.path())
            .ready();
        assert_eq!(running.url("proxy"), url);
        assert_eq!(told(&supervisor), "READY=1");
        running
    };

    let mut running = start();
    let load = Load::on(&format!("{url}/a"));
    load.goes_on(50);
    for _ in 0..3 {
        let next = start();
        let ended = running.terminate();
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        assert_eq!(told(&supervisor), "STOPPING=1");
        load.goes_on(50);
        running = next;
    }
    // Nobody is there for a while, and whoever comes waits.
    assert_eq!(running.terminate().code, Some(0));
    assert_eq!(told(&supervisor), "STOPPING=1");
    let running = start();
    load.goes_on(50);

    folder.write("orgate.yaml", "version: 1\nrules: {GET /a: public, GET /b: public}\n");
    running.signal("HUP");
    let reloading = told(&supervisor);
    let since = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").expect("it reloads");
    assert!(since.parse::<u64>().unwrap() > 0);
    assert_eq!(told(&supervisor), "READY=1");
    assert_eq!(request("GET", &format!("{url}/b"), &[], None).status, 200);
    let answered = load.end();
    println!("{answered} requests on as many connections, over four handovers");
}
