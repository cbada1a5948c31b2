//! An application that is strict: it keeps every byte that each connection brings, reads it in one way only, and answers each whole
//! request with what it was asked, so that an answer that went to the wrong question shows.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::Duration,
};

/// How long something that must happen may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// What arrived since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Arrived {
    /// Whole requests, in order.
    pub(crate) requests: Vec<Seen>,
    /// What was left of connections that ended inside a message.
    pub(crate) broken: Vec<Vec<u8>>,
    /// What cannot be read in one way.
    pub(crate) faults: Vec<String>,
}

/// One request.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    /// Names as they came, in order.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

/// What is answered instead of the usual.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) bytes: Vec<u8>,
    /// Whether the connection ends behind it.
    pub(crate) ends: bool,
}

#[derive(Debug, Default)]
struct State {
    arrived: Arrived,
    /// Unread bytes of each connection that is open.
    open: BTreeMap<usize, Vec<u8>>,
    scripts: HashMap<String, Script>,
    /// From where connections came.
    peers: HashSet<SocketAddr>,
}

/// The application.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    pub(crate) address: SocketAddr,
    shared: Arc<(Mutex<State>, Condvar)>,
}

impl Recorder {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let recorder = Self { address, shared: Arc::default() };
        let serving = recorder.clone();
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let serving = serving.clone();
                // In the order in which they came, whichever thread is first.
                let peer = stream.peer_addr().ok();
                serving.with(|state| {
                    state.open.insert(number, Vec::new());
                    state.peers.extend(peer);
                });
                thread::spawn(move || serving.serve(number, stream));
            }
        });
        recorder
    }

    /// Answers `target` with `script`.
    pub(crate) fn play(&self, target: &str, script: Script) {
        self.shared.0.lock().unwrap().scripts.insert(target.to_owned(), script);
    }

    /// What arrived, once no connection is inside a message.
    pub(crate) fn take(&self) -> Arrived {
        let (state, changed) = &*self.shared;
        let mut state = state.lock().unwrap();
        while state.open.values().any(|bytes| !bytes.is_empty()) {
            let (next, waited) = changed.wait_timeout(state, PATIENCE).unwrap();
            state = next;
            if waited.timed_out() {
                let open = state.open.values().map(|bytes| String::from_utf8_lossy(bytes).into_owned());
                let fault = format!("a connection stays inside a message: {:?}", open.collect::<Vec<_>>());
                state.arrived.faults.push(fault);
                break;
            }
        }
        std::mem::take(&mut state.arrived)
    }

    /// Waits until a connection that was broken off before now has come to its end here, so that what is left of it is not taken
    /// for the next one's: connections are accepted in their order, and one that waits for a request is left.
    pub(crate) fn settle(&self) -> bool {
        let marker = TcpStream::connect(self.address).unwrap();
        let own = marker.local_addr().unwrap();
        let (state, changed) = &*self.shared;
        let known = |state: &mut State| !state.peers.contains(&own);
        let accepted = changed.wait_timeout_while(state.lock().unwrap(), PATIENCE, known).unwrap();
        let in_time = !accepted.1.timed_out();
        drop(accepted);
        drop(marker);
        in_time && self.connections(1)
    }

    /// Waits until at most `most` connections are open.
    pub(crate) fn connections(&self, most: usize) -> bool {
        let (state, changed) = &*self.shared;
        let state = state.lock().unwrap();
        let waited = changed.wait_timeout_while(state, PATIENCE, |state| state.open.len() > most).unwrap();
        !waited.1.timed_out()
    }

    fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.shared.0.lock().unwrap());
        self.shared.1.notify_all();
        result
    }

    fn serve(&self, number: usize, mut stream: TcpStream) {
        let mut chunk = [0; 64 * 1024];
        'connection: while let Ok(read @ 1..) = stream.read(&mut chunk) {
            let mut bytes = self.with(|state| {
                let all = state.open.entry(number).or_default();
                all.extend_from_slice(&chunk[..read]);
                all.clone()
            });
            loop {
                match parse(&bytes) {
                    Ok(None) => break,
                    Ok(Some((seen, length))) => {
                        bytes.drain(..length);
                        let (answer, ends) = self.with(|state| {
                            let script = state.scripts.get(&seen.target).cloned();
                            let answer = script.unwrap_or_else(|| usual(&seen));
                            state.open.insert(number, bytes.clone());
                            state.arrived.requests.push(seen);
                            (answer.bytes, answer.ends)
                        });
                        if stream.write_all(&answer).is_err() || ends {
                            break 'connection;
                        }
                    }
                    Err(fault) => {
                        let fault = format!("{fault} in {:?}", String::from_utf8_lossy(&bytes));
                        self.with(|state| state.arrived.faults.push(fault));
                        break 'connection;
                    }
                }
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        self.with(|state| {
            if let Some(rest) = state.open.remove(&number).filter(|rest| !rest.is_empty()) {
                state.arrived.broken.push(rest);
            }
        });
    }
}

fn usual(seen: &Seen) -> Script {
    let told = format!("{} {}", seen.method, seen.target);
    let body = if seen.method == "HEAD" { "" } else { &*told };
    let head = format!("HTTP/1.1 200 OK\r\nX-Told: {told}\r\nContent-Length: {}\r\n\r\n{body}", told.len());
    Script { bytes: head.into_bytes(), ends: false }
}

/// The first message of `bytes` and its length; `None` if it is not whole yet. There is one reading, and the rest is a fault.
fn parse(bytes: &[u8]) -> Result<Option<(Seen, usize)>, String> {
    let Some(end) = find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "bytes that are no text")?;
    if head.bytes().any(|byte| byte < b' ' && !b"\r\n\t".contains(&byte) || byte == 0x7f) {
        return Err("a control character".to_owned());
    }
    let mut lines = head.split("\r\n");
    let line: Vec<&str> = lines.next().unwrap_or_default().split(' ').collect();
    let [method, target, "HTTP/1.1"] = line[..] else { return Err(format!("the request line {line:?}")) };
    let fields = lines.map(field).collect::<Result<Vec<_>, _>>()?;
    let all = |name: &str| -> Vec<&str> {
        fields
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| &**value)
            .collect()
    };
    let (mut body, mut trailers, mut at) = (Vec::new(), Vec::new(), end + 4);
    match (&all("content-length")[..], &all("transfer-encoding")[..]) {
        ([], []) => {}
        ([length], []) if !length.is_empty() && length.bytes().all(|digit| digit.is_ascii_digit()) => {
            let length: usize = length.parse().map_err(|_| "a length beyond all bounds")?;
            let Some(whole) = bytes.get(at..at + length) else { return Ok(None) };
            body.extend_from_slice(whole);
            at += length;
        }
        ([], ["chunked"]) => match chunks(&bytes[at..])? {
            Some((chunks, fields, length)) => (body, trailers, at) = (chunks, fields, at + length),
            None => return Ok(None),
        },
        framing => return Err(format!("the framing {framing:?}")),
    }
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok(Some((Seen { method, target, fields, body, trailers }, at)))
}

type Chunks = (Vec<u8>, Vec<(String, String)>, usize);

fn chunks(bytes: &[u8]) -> Result<Option<Chunks>, String> {
    let (mut body, mut at) = (Vec::new(), 0);
    loop {
        let Some(end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
        let line = std::str::from_utf8(&bytes[at..at + end]).map_err(|_| "a chunk's size that is no text")?;
        let size = usize::from_str_radix(line, 16).map_err(|_| format!("the chunk size {line:?}"))?;
        at += end + 2;
        if size > 0 {
            let Some(chunk) = bytes.get(at..at + size + 2) else { return Ok(None) };
            body.extend_from_slice(&chunk[..size]);
            if &chunk[size..] != b"\r\n" {
                return Err("a chunk that does not end".to_owned());
            }
            at += size + 2;
            continue;
        }
        let mut trailers = Vec::new();
        loop {
            let Some(end) = find(&bytes[at..], b"\r\n") else { return Ok(None) };
            let line = std::str::from_utf8(&bytes[at..at + end]).map_err(|_| "a trailer that is no text")?;
            at += end + 2;
            if line.is_empty() {
                return Ok(Some((body, trailers, at)));
            }
            trailers.push(field(line)?);
        }
    }
}

fn field(line: &str) -> Result<(String, String), String> {
    let is_name = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
    };
    match line.split_once(": ").or_else(|| line.split_once(':')) {
        Some((name, value)) if is_name(name) && !value.contains(['\r', '\n']) => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err(format!("the line {line:?}")),
    }
}

pub(crate) fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    bytes.windows(mark.len()).position(|window| window == mark)
}
