//! `ui`: the page, on a port of this machine.

use std::process::{Command, ExitCode, Stdio};

use super::args::UiOptions;
#[cfg(feature = "cluster")]
use super::cluster::Cluster;
use super::source::Source;
use super::terminal;
use crate::error::Error;

/// Runs the command: with a cluster until it is interrupted.
pub async fn run(options: UiOptions, program: &str) -> Result<ExitCode, Error> {
    let source = Source::of(&options.place).await?;
    let scope = source.scope(&options.place, false, options.name.as_deref());
    let path = match (&options.name, &scope.namespace) {
        (Some(name), Some(namespace)) => format!("chains/{namespace}/{name}"),
        // The one chain of a `dev` is in the namespace default, where none is given.
        (Some(name), None) => format!("chains/default/{name}"),
        (None, _) => String::new(),
    };
    match source {
        Source::Dev(dev) => show(&format!("{}{path}", dev.page()), &options),
        #[cfg(feature = "cluster")]
        Source::Cluster(cluster) => return forward(&cluster, &path, &options, program).await,
    }
    #[cfg(not(feature = "cluster"))]
    let _ = program;
    Ok(ExitCode::SUCCESS)
}

/// Each connection goes to the operator that leads then: a page that is open survives a change of the
/// leader.
#[cfg(feature = "cluster")]
async fn forward(
    cluster: &Cluster,
    path: &str,
    options: &UiOptions,
    program: &str,
) -> Result<ExitCode, Error> {
    use std::net::{Ipv4Addr, SocketAddr};

    use tokio::io::copy_bidirectional;
    use tokio::net::TcpListener;

    // What is missing is said here, not in the browser.
    let page = cluster.page();
    drop(
        page.stream()
            .await
            .map_err(|gap| Error::Unseen(vec![gap]))?,
    );
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, options.port));
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| Error::Listen {
        address,
        option: "--port",
        source,
    })?;
    show(
        &format!("http://{}/{path}", listener.local_addr()?),
        options,
    );
    loop {
        let (mut browser, _) = listener.accept().await?;
        let page = page.clone();
        let program = program.to_owned();
        tokio::spawn(async move {
            match page.stream().await {
                // It ends with an error whenever one of both ends closes first.
                Ok(mut operator) => drop(copy_bidirectional(&mut browser, &mut operator).await),
                Err(gap) => eprintln!("{program}: {gap}"),
            }
        });
    }
}

/// Prints the address, and opens it.
fn show(address: &str, options: &UiOptions) {
    terminal::print(&format!("page: {address}\n"));
    if options.no_open {
        return;
    }
    let opener = if cfg!(target_os = "macos") {
        "open"
    } else {
        "xdg-open"
    };
    let mut command = Command::new(opener);
    command
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    // A machine without a browser has none to open it: the address is printed.
    if let Ok(mut child) = command.spawn() {
        std::thread::spawn(move || child.wait());
    }
}
