module executor-chain.dev/hack/e2e/pause

go 1.24
