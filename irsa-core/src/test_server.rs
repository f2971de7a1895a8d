//! A server on loopback for tests: counts its connections, keeps them open, speaks TLS if it is given a certificate.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// Valid for 127.0.0.1 and localhost, by the authority `ca.pem`.
pub(crate) const SERVER: &[u8] = include_bytes!("test_server/server.pem");
/// Valid for elsewhere.example, by the same authority.
pub(crate) const ELSEWHERE: &[u8] = include_bytes!("test_server/elsewhere.pem");
/// Expired in 2020, by the same authority.
pub(crate) const EXPIRED: &[u8] = include_bytes!("test_server/expired.pem");
const KEY: &[u8] = include_bytes!("test_server/server.key");

/// The file of an authority: `ca` made the certificates here, `other` did not.
pub(crate) fn authority(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/test_server/{name}.pem"))
}

#[derive(Default)]
pub(crate) struct Counts {
    open: AtomicUsize,
    most: AtomicUsize,
    accepted: AtomicUsize,
    requests: AtomicUsize,
}

impl Counts {
    /// How many connections are open.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// The most that were open at once.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }

    /// How many were ever opened.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// How many requests were answered.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }
}

pub(crate) struct TestServer {
    pub(crate) url: String,
    pub(crate) counts: Arc<Counts>,
    /// The server's ends of the connections, to close them.
    streams: Arc<Mutex<Vec<TcpStream>>>,
}

impl TestServer {
    /// Answers every request with this body after `delay`; with a certificate, over TLS.
    pub(crate) fn new(body: &'static str, delay: Duration, certificate: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        let (counts, streams) = (Arc::new(Counts::default()), Arc::new(Mutex::new(Vec::new())));
        let tls = certificate.map(|pem| Arc::new(tls(pem)));
        let (own, kept) = (Arc::clone(&counts), Arc::clone(&streams));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                own.accepted.fetch_add(1, Ordering::SeqCst);
                let open = own.open.fetch_add(1, Ordering::SeqCst) + 1;
                own.most.fetch_max(open, Ordering::SeqCst);
                kept.lock().unwrap().push(stream.try_clone().unwrap());
                let (counts, tls) = (Arc::clone(&own), tls.clone());
                thread::spawn(move || {
                    match tls {
                        None => serve(&counts, stream, body, delay),
                        Some(tls) => {
                            let connection = ServerConnection::new(tls).unwrap();
                            serve(&counts, StreamOwned::new(connection, stream), body, delay);
                        }
                    }
                    counts.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { url, counts, streams }
    }

    /// Closes the connections that are open.
    pub(crate) fn hang_up(&self) {
        for stream in self.streams.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }

    /// Waits until so many connections are open.
    pub(crate) async fn until_open(&self, count: usize) {
        let began = Instant::now();
        while self.counts.open() != count {
            assert!(
                began.elapsed() < Duration::from_secs(5),
                "{} connections are open, not {count}",
                self.counts.open()
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A proxy on loopback that connects everybody with one server, by `CONNECT` or SOCKS 5, and counts.
pub(crate) struct TestProxy {
    /// `HOST:PORT`.
    pub(crate) place: String,
    pub(crate) tunnels: Arc<AtomicUsize>,
}

impl TestProxy {
    /// `server` is the URL of the server.
    pub(crate) fn new(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = listener.local_addr().unwrap().to_string();
        let server = server.split_once("://").unwrap().1.to_owned();
        let tunnels = Arc::new(AtomicUsize::new(0));
        let opened = Arc::clone(&tunnels);
        thread::spawn(move || {
            for mut client in listener.incoming().flatten() {
                let (server, opened) = (server.clone(), Arc::clone(&opened));
                thread::spawn(move || {
                    if let Some(()) = agree(&mut client) {
                        opened.fetch_add(1, Ordering::SeqCst);
                        connect(client, TcpStream::connect(server).unwrap());
                    }
                });
            }
        });
        Self { place, tunnels }
    }
}

/// The words of a client that wants to be connected, and the answers.
fn agree(client: &mut TcpStream) -> Option<()> {
    let mut first = [0; 1];
    client.read_exact(&mut first).ok()?;
    if first == [5] {
        let mut part = [0; 512];
        let _ = client.read(&mut part).ok()?;
        client.write_all(&[5, 0]).ok()?;
        let _ = client.read(&mut part).ok()?;
        return client.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).ok();
    }
    read_request(client).then_some(())?;
    client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").ok()
}

/// Passes on what either side says.
fn connect(mut client: TcpStream, mut server: TcpStream) {
    let (mut from, mut to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(std::net::Shutdown::Both);
}

fn tls(certificate: &[u8]) -> ServerConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(certificate).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        )
        .unwrap()
}

fn serve(counts: &Counts, mut stream: impl Read + Write, body: &str, delay: Duration) {
    let answer =
        format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    while read_request(&mut stream) {
        thread::park_timeout(delay);
        counts.requests.fetch_add(1, Ordering::SeqCst);
        if stream.write_all(answer.as_bytes()).and_then(|()| stream.flush()).is_err() {
            return;
        }
    }
}

/// Whether a whole request came.
fn read_request(stream: &mut impl Read) -> bool {
    let (mut text, mut part) = (Vec::new(), [0; 4096]);
    loop {
        let request = String::from_utf8_lossy(&text).to_lowercase();
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return true;
            }
        }
        match stream.read(&mut part) {
            Ok(read) if read > 0 => text.extend_from_slice(&part[..read]),
            _ => return false,
        }
    }
}
