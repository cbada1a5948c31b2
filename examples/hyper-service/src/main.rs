//! A plain hyper service behind orgate, without axum: run it in a folder with an `orgate.yaml`.

#![allow(clippy::print_stdout, reason = "an example talks to whoever runs it")]

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, Response, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use orgate::{Gate, Principal};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};

async fn hello(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    let caller = request.extensions().get::<Principal>();
    let text = caller.map_or("hello, stranger".to_owned(), |caller| format!("hello, {caller}"));
    Ok(Response::new(Full::from(text)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let gate = Gate::load("orgate.yaml").await?;
    let service = gate.layer().layer(service_fn(hello));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening app http://{}", listener.local_addr()?);
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(
            http1::Builder::new().timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), service),
        );
    }
}
