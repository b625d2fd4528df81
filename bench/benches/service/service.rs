//! The service, in a process of its own: hyper on tokio, one thread that answers.

use crate::Variant;
use crate::direct::Direct;
use crate::sdk::Sdk;
use crate::shop::Shop;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tailrace_bench::role::{Role, until_told_to_end};
use tailrace_engine::embed::Scheduling;
use tailrace_engine::runtime::{bind_to_processor, process_cpu_time};
use tokio::net::TcpListener;

/// With this argument, and then a variant and the backend's URL, the program is the service.
pub const FLAG: &str = "--be-the-service";

/// Of one request: itself, the look into the catalogue, and the rendering.
pub const SPANS: u64 = 3;

/// Says what is done for a request, and does it.
pub trait Telemetry: Send + Sync {
    fn request(&self, request: &Request<Incoming>, shop: &Shop) -> Vec<u8>;
    /// Delivers what is left.
    fn end(&self);
}

struct Off;

impl Telemetry for Off {
    fn request(&self, request: &Request<Incoming>, shop: &Shop) -> Vec<u8> {
        shop.render(&shop.look_up(request.uri().path()))
    }

    fn end(&self) {}
}

/// Prints its address, serves until its input ends, and prints what it has served and what processor
/// time it took.
pub fn serve(variant: &str, url: &str) {
    // All of its threads: what an exporter does is done where requests are answered.
    let online = std::fs::read_to_string("/sys/devices/system/cpu/online").expect("Linux");
    let last = online
        .trim()
        .rsplit(['-', ','])
        .next()
        .expect("one at least");
    bind_to_processor(last.parse().expect("a number")).expect("the last processor");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    // The SDK's exporter looks for a runtime where it is made.
    let _inside = runtime.enter();
    let variant = Variant::ALL
        .into_iter()
        .find(|known| known.name() == variant);
    let telemetry: Arc<dyn Telemetry> = match variant.expect("a variant") {
        Variant::Off | Variant::OffAgain => Arc::new(Off),
        Variant::Sdk => Arc::new(Sdk::with_otlp(url)),
        Variant::BehindSdk => Arc::new(Sdk::with_tailrace(url)),
        Variant::Direct => Arc::new(Direct::new(url, Scheduling::Inherited)),
        Variant::DirectIdle => Arc::new(Direct::new(url, Scheduling::Idle)),
    };
    let served = Arc::new(AtomicU64::new(0));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"));
    let listener = listener.expect("a port");
    println!("{}", listener.local_addr().expect("its address"));
    runtime.spawn(accept(
        listener,
        Arc::clone(&telemetry),
        Arc::clone(&served),
    ));
    until_told_to_end().expect("a pipe");
    telemetry.end();
    let cpu_time = process_cpu_time(std::process::id()).expect("this process runs");
    println!("{} {}", served.load(Ordering::Relaxed), cpu_time.as_nanos());
}

async fn accept(listener: TcpListener, telemetry: Arc<dyn Telemetry>, served: Arc<AtomicU64>) {
    let shop = Arc::new(Shop::open());
    loop {
        let (stream, _) = listener.accept().await.expect("descriptors are left");
        stream.set_nodelay(true).expect("a socket");
        let (shop, telemetry) = (Arc::clone(&shop), Arc::clone(&telemetry));
        let served = Arc::clone(&served);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let page = telemetry.request(&request, &shop);
                served.fetch_add(1, Ordering::Relaxed);
                std::future::ready(Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(
                    page,
                )))))
            });
            // A caller that goes away ends its connection.
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), answer)
                .await;
        });
    }
}

/// The process, for who measures it.
pub struct Service {
    role: Role,
    pub address: SocketAddr,
}

pub struct Ended {
    pub requests: u64,
    /// Since it was started.
    pub cpu_time: Duration,
}

impl Service {
    pub fn start(variant: Variant, url: &str) -> Self {
        let role = Role::start(&[FLAG, variant.name(), url]).expect("a process");
        let address = role.address.parse().expect("an address");
        Self { role, address }
    }

    pub fn cpu_time(&self) -> Duration {
        process_cpu_time(self.role.id()).expect("it runs")
    }

    pub fn end(self) -> Ended {
        let line = self.role.end().expect("its figures");
        let (requests, nanos) = line.split_once(' ').expect("two figures");
        Ended {
            requests: requests.parse().expect("a number"),
            cpu_time: Duration::from_nanos(nanos.parse().expect("a number")),
        }
    }
}
