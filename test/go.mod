module github.com/aliyunkafkalag/otelcol-aliyunkafkalag/test

go 1.26.0

require (
	github.com/aliyunkafkalag/otelcol-aliyunkafkalag v0.0.0
	github.com/stretchr/testify v1.12.1
)

require go.yaml.in/yaml/v3 v3.0.5

replace github.com/aliyunkafkalag/otelcol-aliyunkafkalag => ../
