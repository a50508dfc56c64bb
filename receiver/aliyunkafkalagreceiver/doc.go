// Package aliyunkafkalagreceiver reads the consumer lag of ApsaraMQ for Kafka from
// Alibaba Cloud's CloudMonitor and emits it as gauges, each point once, in order,
// with the timestamp CloudMonitor gave it.
package aliyunkafkalagreceiver

//go:generate mdatagen metadata.yaml
