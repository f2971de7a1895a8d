//! An endpoint on loopback that answers what a test wants, for the SDK to be run against.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_smithy_types::retry::RetryConfig;
use aws_types::SdkConfig;
use aws_types::region::Region;

use super::AwsBackend;

/// The answer to one request.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    /// So many bytes are announced and never sent.
    pub(super) missing: usize,
}

impl Answer {
    pub(super) fn new(status: u16, content_type: &'static str, body: impl Into<String>) -> Self {
        Self { status, content_type, body: body.into(), missing: 0 }
    }

    pub(super) fn xml(body: impl Into<String>) -> Self {
        Self::new(200, "text/xml", body)
    }

    /// An error as IAM and STS write it.
    pub(super) fn error(status: u16, code: &str, message: &str) -> Self {
        let body = format!(
            "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
             <RequestId>0000</RequestId></ErrorResponse>"
        );
        Self::new(status, "text/xml", body)
    }
}

/// A server whose requests are kept: head and body as text.
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) requests: Arc<Mutex<Vec<String>>>,
}

impl Endpoint {
    pub(super) fn new(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&requests);
        let answer = Arc::new(answer);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (kept, answer) = (Arc::clone(&kept), Arc::clone(&answer));
                thread::spawn(move || {
                    let request = read(&stream);
                    let answer = answer(&request);
                    kept.lock().unwrap().push(request);
                    write(stream, &answer);
                });
            }
        });
        Self { url, requests }
    }

    pub(super) fn config(&self) -> SdkConfig {
        config(&self.url)
    }

    pub(super) fn backend(&self) -> AwsBackend {
        AwsBackend::new(&self.config()).unwrap()
    }
}

/// A configuration for an endpoint: one attempt, the key pair of AWS' documentation.
pub(super) fn config(url: &str) -> SdkConfig {
    let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "test");
    SdkConfig::builder()
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .retry_config(RetryConfig::disabled())
        .build()
}

/// A back end over clients of the caller's own, whose URL nobody has checked.
pub(super) fn unchecked(url: &str) -> AwsBackend {
    let config = config(url).to_builder().behavior_version(BehaviorVersion::latest()).build();
    AwsBackend::from_clients(
        aws_sdk_iam::Client::new(&config),
        aws_sdk_eks::Client::new(&config),
        aws_sdk_sts::Client::new(&config),
        "us-east-1".parse().unwrap(),
    )
}

fn read(mut stream: &TcpStream) -> String {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        let read = stream.read(&mut part).unwrap_or(0);
        text.extend_from_slice(&part[..read]);
        let request = String::from_utf8_lossy(&text);
        if let Some((head, body)) = request.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return request.into_owned();
            }
        }
        if read == 0 {
            return request.into_owned();
        }
    }
}

fn write(mut stream: TcpStream, answer: &Answer) {
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: {}\r\ncontent-length: {}\r\nx-amzn-requestid: id-1\r\nconnection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len() + answer.missing
    );
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(answer.body.as_bytes()));
}
