module executor-chain.dev/hack/e2e/handler

go 1.24
