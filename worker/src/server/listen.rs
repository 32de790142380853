//! Opens a port.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use super::start_error::StartError;

/// Listens on the first of `addresses` that this machine has, and says on which.
pub(crate) async fn listen(
    addresses: &[SocketAddr],
    variable: &'static str,
) -> Result<(TcpListener, SocketAddr), StartError> {
    let bound = async {
        let listener = TcpListener::bind(addresses).await?;
        let address = listener.local_addr()?;
        Ok((listener, address))
    };
    bound.await.map_err(|source| StartError::Listen {
        addresses: addresses.to_vec(),
        variable,
        source,
    })
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use tokio::net::TcpStream;
    use worker_contract::{env, ports};

    use super::*;

    #[tokio::test]
    async fn one_socket_takes_connections_of_both_families() {
        let any = ports::any_family(0);
        let (_listener, address) = listen(&any, env::LISTEN_ADDR).await.unwrap();
        assert_eq!(address.ip(), Ipv6Addr::UNSPECIFIED);
        for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            let to = SocketAddr::new(ip, address.port());
            TcpStream::connect(to).await.unwrap();
        }
    }

    #[tokio::test]
    async fn where_ipv6_fails_the_ipv4_address_is_taken() {
        // An address that no machine has: it fails as IPv6 does on a kernel without it.
        let missing = "[2001:db8::1]:0".parse().unwrap();
        let addresses = [missing, (Ipv4Addr::UNSPECIFIED, 0).into()];
        let (_listener, address) = listen(&addresses, env::LISTEN_ADDR).await.unwrap();
        let to = (Ipv4Addr::LOCALHOST, address.port());
        TcpStream::connect(to).await.unwrap();
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_an_error_with_its_addresses() {
        let any = ports::any_family(0);
        let (_listener, address) = listen(&any, env::LISTEN_ADDR).await.unwrap();
        let again = ports::any_family(address.port());
        let error = listen(&again, env::LISTEN_ADDR).await.unwrap_err();
        let port = address.port();
        assert_eq!(
            error.to_string(),
            format!(
                "can't listen on [::]:{port} or 0.0.0.0:{port}: choose another address in LISTEN_ADDR"
            )
        );
    }
}
