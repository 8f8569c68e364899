// A round of franz-go against the broker at the first argument; the second says whether zstd can be tried.
package main

import (
	"context"
	"fmt"
	"sort"
	"time"

	"millrace-clients/round"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

func check(what string, act func(context.Context) error) {
	round.Check(what, func() error {
		ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
		defer cancel()
		return act(ctx)
	})
}

func client(options ...kgo.Opt) (*kgo.Client, error) {
	base := []kgo.Opt{kgo.SeedBrokers(round.Address()), kgo.AllowAutoTopicCreation(), kgo.FetchMaxWait(200 * time.Millisecond)}
	return kgo.NewClient(append(base, options...)...)
}

func read(ctx context.Context, cl *kgo.Client, count int) ([]*kgo.Record, error) {
	var got []*kgo.Record
	for len(got) < count {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return got, fmt.Errorf("%d of %d records: %w", len(got), count, err)
		}
		got = append(got, fetches.Records()...)
	}
	return got, nil
}

func codec(name string, compression kgo.CompressionCodec) func(context.Context) error {
	return func(ctx context.Context) error {
		topic := "go-" + name
		producer, err := client(kgo.ProducerBatchCompression(compression))
		if err != nil {
			return err
		}
		defer producer.Close()
		for i := 0; i < 200; i++ {
			record := &kgo.Record{Topic: topic, Key: []byte(fmt.Sprint("k", i)), Value: []byte(fmt.Sprint("v", i)), Headers: []kgo.RecordHeader{{Key: "h", Value: []byte("x")}}}
			producer.Produce(ctx, record, nil)
		}
		if err := producer.Flush(ctx); err != nil {
			return err
		}
		consumer, err := client(kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
		if err != nil {
			return err
		}
		defer consumer.Close()
		records, err := read(ctx, consumer, 200)
		if err != nil {
			return err
		}
		for i, r := range records {
			if string(r.Key) != fmt.Sprint("k", i) || string(r.Value) != fmt.Sprint("v", i) || string(r.Headers[0].Value) != "x" {
				return fmt.Errorf("record %d is %s=%s", i, r.Key, r.Value)
			}
		}
		return nil
	}
}

func topics(ctx context.Context) error {
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	admin := kadm.NewClient(cl)
	if _, err := admin.CreateTopic(ctx, 3, 1, nil, "go-admin"); err != nil {
		return err
	}
	details, err := admin.ListTopics(ctx, "go-admin")
	if err != nil || len(details["go-admin"].Partitions) != 3 {
		return fmt.Errorf("listed %v: %w", details, err)
	}
	if _, err := admin.DescribeTopicConfigs(ctx, "go-admin"); err != nil {
		return err
	}
	_, err = admin.DeleteTopic(ctx, "go-admin")
	return err
}

func group(ctx context.Context) error {
	admins, err := client()
	if err != nil {
		return err
	}
	defer admins.Close()
	admin := kadm.NewClient(admins)
	if _, err := admin.CreateTopic(ctx, 4, 1, nil, "go-group"); err != nil {
		return err
	}
	member := func() (*kgo.Client, error) {
		return client(kgo.ConsumerGroup("go-shared"), kgo.ConsumeTopics("go-group"), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit())
	}
	first, err := member()
	if err != nil {
		return err
	}
	for i := 0; i < 40; i++ {
		admins.Produce(ctx, &kgo.Record{Topic: "go-group", Key: []byte(fmt.Sprint(i)), Value: []byte(fmt.Sprint(i))}, nil)
	}
	if err := admins.Flush(ctx); err != nil {
		return err
	}
	if _, err := read(ctx, first, 40); err != nil {
		return err
	}
	if err := first.CommitUncommittedOffsets(ctx); err != nil {
		return err
	}
	second, err := member()
	if err != nil {
		return err
	}
	defer second.Close()
	polling, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for polling.Err() == nil {
			first.PollFetches(polling)
			first.AllowRebalance()
		}
	}()
	for {
		groups, err := admin.DescribeGroups(ctx, "go-shared")
		if err != nil {
			stop()
			return err
		}
		sizes := []int{}
		for _, m := range groups["go-shared"].Members {
			if assigned, ok := m.Assigned.AsConsumer(); ok {
				count := 0
				for _, t := range assigned.Topics {
					count += len(t.Partitions)
				}
				sizes = append(sizes, count)
			}
		}
		sort.Ints(sizes)
		if fmt.Sprint(sizes) == "[2 2]" && groups["go-shared"].State == "Stable" {
			break
		}
		if ctx.Err() != nil {
			stop()
			return fmt.Errorf("it came to %v", sizes)
		}
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		second.PollFetches(short)
		cancel()
	}
	stop()
	<-done
	first.Close()
	admins.Produce(ctx, &kgo.Record{Topic: "go-group", Value: []byte("last")}, nil)
	records, err := read(ctx, second, 1)
	if err == nil && string(records[0].Value) != "last" {
		return fmt.Errorf("read %s again", records[0].Value)
	}
	return err
}

func seek(ctx context.Context) error {
	cl, err := client()
	if err != nil {
		return err
	}
	defer cl.Close()
	for _, ms := range []int64{1000, 2000, 3000} {
		if err := cl.ProduceSync(ctx, &kgo.Record{Topic: "go-seek", Value: []byte(fmt.Sprint(ms)), Timestamp: time.UnixMilli(ms)}).FirstErr(); err != nil {
			return err
		}
	}
	offsets, err := kadm.NewClient(cl).ListOffsetsAfterMilli(ctx, 1500, "go-seek")
	if err != nil {
		return err
	}
	if at, _ := offsets.Lookup("go-seek", 0); at.Offset != 1 {
		return fmt.Errorf("found offset %d", at.Offset)
	}
	consumer, err := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{"go-seek": {0: kgo.NewOffset().At(2)}}))
	if err != nil {
		return err
	}
	defer consumer.Close()
	records, err := read(ctx, consumer, 1)
	if err == nil && string(records[0].Value) != "3000" {
		return fmt.Errorf("read %s", records[0].Value)
	}
	return err
}

func main() {
	check("create, describe and delete topics", topics)
	check("produce (idempotently) and consume none", codec("none", kgo.NoCompression()))
	check("produce (idempotently) and consume gzip", codec("gzip", kgo.GzipCompression()))
	check("produce (idempotently) and consume snappy", codec("snappy", kgo.SnappyCompression()))
	check("produce (idempotently) and consume lz4", codec("lz4", kgo.Lz4Compression()))
	if round.HasZstd() {
		check("produce (idempotently) and consume zstd", codec("zstd", kgo.ZstdCompression()))
	}
	check("share a group, rebalance when a member leaves, and go on", group)
	check("seek, and find offsets by time", seek)
}
