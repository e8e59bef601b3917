//! Stands in for the operator where its handling as a process is tested: same flag, same endpoints, no work.

use std::{env, process::ExitCode, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    signal::unix::{SignalKind, signal},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<ExitCode> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [subcommand, flag, address] = args.as_slice() else {
        return Ok(ExitCode::from(2));
    };
    if (subcommand.as_str(), flag.as_str()) != ("run", "--listen") {
        eprintln!("unknown flag {flag}");
        return Ok(ExitCode::from(3));
    }
    let mut terminated = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(address).await?;
    println!("KUBECONFIG is {}", env::var("KUBECONFIG").unwrap_or_default());
    eprintln!("listening");
    let mut requests = 0;
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                requests += 1;
                answer(accepted?.0, requests).await?;
            }
            _ = terminated.recv() => {
                // Time in which somebody has to wait for the last words.
                tokio::time::sleep(Duration::from_millis(50)).await;
                println!("the last words");
                return Ok(ExitCode::from(7));
            }
        }
    }
}

async fn answer(mut stream: TcpStream, requests: u32) -> std::io::Result<()> {
    let mut request = vec![0; 1024];
    let length = stream.read(&mut request).await?;
    let (status, body) = match &request[..length] {
        r if r.starts_with(b"GET /readyz ") && requests < 3 => ("503 Service Unavailable", "starting".into()),
        r if r.starts_with(b"GET /readyz ") => ("200 OK", "ok".into()),
        r if r.starts_with(b"GET /metrics ") => ("200 OK", format!("requests_total{{kind=\"any\"}} {requests}\n")),
        _ => ("404 Not Found", String::new()),
    };
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all((head + &body).as_bytes()).await
}
