//! systemd, or whatever speaks its two small protocols: sockets that are handed over at the start, and a word when the
//! process is ready, reads its policy again, and stops.
//!
//! A socket that somebody else holds is the way to replace the process without refusing anybody: who comes while there are two
//! processes, or none, waits in its queue. `SO_REUSEPORT` is not: when the old process closes its socket, whoever waits in
//! the queue of that one is turned away.
//!
//! Which sockets there are says the environment (sd_listen_fds(3)). A number in it cannot be made a socket without unsafe
//! code, but the kernel gives out a second handle of an open file by its number: pidfd_getfd(2), of this very process.

use std::{ffi::OsString, io, sync::OnceLock};

use tracing::warn;

use super::Failure;
use crate::serve::{BindError, Listener};

/// Binds `address` for the listener `name`, whose flag is `--flag`; or takes the socket that was handed over for it.
pub(crate) async fn listener(
    name: &'static str,
    address: &str,
    flag: &'static str,
) -> Result<Listener, Failure> {
    let given = GIVEN.get_or_init(|| given_by(&|name| std::env::var(name).ok(), std::process::id()));
    let Some(number) = number_of(given, name) else {
        return Listener::bind(name, address, flag)
            .await
            .map_err(|error: BindError| Failure::could_not_run(error));
    };
    take(number)
        .and_then(|socket| Listener::given(name, socket))
        .map_err(|error| Failure::could_not_run(format!("cannot take socket {number} for the listener `{name}`: {error}\nhelp: it must be a TCP socket that listens, as a unit with `ListenStream=8080` has it")))
}

/// The numbers of the sockets that were handed over, with their names.
type Given = Vec<(i32, String)>;

static GIVEN: OnceLock<Given> = OnceLock::new();

fn given_by(env: &dyn Fn(&str) -> Option<String>, own: u32) -> Given {
    let is_ours = env("LISTEN_PID").and_then(|id| id.parse().ok()) == Some(own);
    let count = env("LISTEN_FDS").and_then(|count| count.parse::<i32>().ok()).filter(|_| is_ours);
    let names = env("LISTEN_FDNAMES").unwrap_or_default();
    let mut names = names.split(':');
    (FIRST..FIRST.saturating_add(count.unwrap_or(0).clamp(0, MOST)))
        .map(|number| (number, names.next().unwrap_or_default().to_owned()))
        .collect()
}

/// The socket of a listener: by its name, or, where no name is one of ours, the first for the proxy and the next for admin.
fn number_of(given: &Given, name: &str) -> Option<i32> {
    let named = |name: &str| given.iter().find(|(_, known)| known == name).map(|(number, _)| *number);
    if ORDER.iter().any(|known| named(known).is_some()) {
        return named(name);
    }
    let at = ORDER.iter().position(|known| *known == name)?;
    given.get(at).map(|(number, _)| *number)
}

#[cfg(target_os = "linux")]
fn take(number: i32) -> io::Result<std::net::TcpListener> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    Ok(pidfd_getfd(own, number, PidfdGetfdFlags::empty())?.into())
}

#[cfg(not(target_os = "linux"))]
fn take(_: i32) -> io::Result<std::net::TcpListener> {
    Err(io::ErrorKind::Unsupported.into())
}

/// All listeners are served.
pub(crate) fn ready() {
    tell("READY=1");
}

/// The policy is being read again; [`ready`] follows.
pub(crate) fn reloading() {
    tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic()));
}

/// Nothing new is taken, and the process ends soon.
pub(crate) fn stopping() {
    tell("STOPPING=1");
}

fn tell(state: &str) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, state) {
        warn!(%error, "cannot tell the supervisor how it is");
    }
}

#[cfg(unix)]
fn send(socket: &OsString, state: &str) -> io::Result<()> {
    use std::os::unix::{ffi::OsStrExt as _, net::UnixDatagram};
    let sender = UnixDatagram::unbound()?;
    // Nobody waits for a supervisor that reads nothing.
    sender.set_nonblocking(true)?;
    match socket.as_bytes().strip_prefix(b"@") {
        None => sender.send_to(state.as_bytes(), socket),
        #[cfg(target_os = "linux")]
        Some(name) => {
            use std::os::{linux::net::SocketAddrExt as _, unix::net::SocketAddr};
            sender.send_to_addr(state.as_bytes(), &SocketAddr::from_abstract_name(name)?)
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => return Err(io::ErrorKind::Unsupported.into()),
    }
    .map(|_| ())
}

#[cfg(not(unix))]
fn send(_: &OsString, _: &str) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(target_os = "linux")]
fn monotonic() -> i64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000)
}

#[cfg(not(target_os = "linux"))]
fn monotonic() -> i64 {
    0
}

/// SD_LISTEN_FDS_START.
const FIRST: i32 = 3;
const MOST: i32 = 16;
/// Which socket is whose, where they have no names of ours.
const ORDER: [&str; 2] = ["proxy", "admin"];

#[cfg(test)]
mod tests {
    use super::*;

    fn given(variables: &[(&str, &str)]) -> Given {
        let env = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        given_by(&env, 7)
    }

    #[test]
    fn sockets_are_ours_if_they_were_handed_to_this_process() {
        let two = [("LISTEN_PID", "7"), ("LISTEN_FDS", "2")];
        assert_eq!(given(&two), [(3, String::new()), (4, String::new())]);
        for none in [
            &[][..],
            &[("LISTEN_FDS", "2")],
            &[("LISTEN_PID", "8"), ("LISTEN_FDS", "2")],
            &[("LISTEN_PID", "7")],
            &[("LISTEN_PID", "7"), ("LISTEN_FDS", "x")],
            &[("LISTEN_PID", "7"), ("LISTEN_FDS", "-2")],
            &[("LISTEN_PID", "7"), ("LISTEN_FDS", "0")],
        ] {
            assert!(given(none).is_empty(), "{none:?}");
        }
        assert_eq!(given(&[("LISTEN_PID", "7"), ("LISTEN_FDS", "2147483647")]).len(), 16);
    }

    #[test]
    fn a_socket_belongs_to_the_listener_of_its_name_or_of_its_place() {
        let with =
            |names: &str| given(&[("LISTEN_PID", "7"), ("LISTEN_FDS", "2"), ("LISTEN_FDNAMES", names)]);
        for (names, proxy, admin) in [
            ("", Some(3), Some(4)),
            ("orgate.socket:orgate.socket", Some(3), Some(4)),
            ("admin:proxy", Some(4), Some(3)),
            ("other:proxy", Some(4), None),
            ("admin:other", None, Some(3)),
        ] {
            let given = with(names);
            assert_eq!((number_of(&given, "proxy"), number_of(&given, "admin")), (proxy, admin), "{names}");
            assert_eq!(number_of(&given, "unknown"), None);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_word_arrives_at_either_kind_of_socket() {
        use std::os::{
            linux::net::SocketAddrExt as _,
            unix::net::{SocketAddr, UnixDatagram},
        };
        let name = format!("orgate-test-{}", std::process::id());
        let path = std::env::temp_dir().join(format!("{name}.sock"));
        let _ = std::fs::remove_file(&path);
        let abstractly = SocketAddr::from_abstract_name(&name).expect("a name");
        for (supervisor, address) in [
            (UnixDatagram::bind(&path).expect("a socket"), path.clone().into_os_string()),
            (UnixDatagram::bind_addr(&abstractly).expect("a socket"), format!("@{name}").into()),
        ] {
            send(&address, "READY=1").expect("sent");
            let mut buffer = [0; 64];
            let length = supervisor.recv(&mut buffer).expect("received");
            assert_eq!(&buffer[..length], b"READY=1");
        }
        let _ = std::fs::remove_file(&path);
        assert!(send(&path.into_os_string(), "READY=1").is_err());
        assert!(monotonic() > 0);
    }
}
