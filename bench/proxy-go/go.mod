module executor-chain.dev/bench/proxy-go

go 1.24
