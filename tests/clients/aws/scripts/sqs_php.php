<?php
// AsyncAws SQS that Debian has (php-async-aws-sqs). The environment names server and key.

require_once '/usr/share/php/AsyncAws/Sqs/autoload.php';

use AsyncAws\Core\Exception\Http\HttpException;
use AsyncAws\Sqs\SqsClient;

ini_set('assert.exception', '1');
$settings = [
    'endpoint' => getenv('AWS_ENDPOINT_URL'),
    'region' => getenv('AWS_REGION'),
    'accessKeyId' => getenv('AWS_ACCESS_KEY_ID'),
    'accessKeySecret' => getenv('AWS_SECRET_ACCESS_KEY'),
];
$sqs = new SqsClient($settings);

function same($expected, $found, string $what): void
{
    if ($expected !== $found) {
        throw new RuntimeException("$what: expected ".json_encode($expected).', found '.json_encode($found));
    }
}

function receive(SqsClient $sqs, string $url, array $more = []): array
{
    return $sqs->receiveMessage(['QueueUrl' => $url, 'WaitTimeSeconds' => 5, ...$more])->getMessages();
}

function code(callable $call): ?string
{
    try {
        $call();
    } catch (HttpException $error) {
        return $error->getAwsCode();
    }
    throw new RuntimeException('it was not refused');
}

// A message goes round.
$url = $sqs->createQueue(['QueueName' => 'php'])->getQueueUrl();
$sent = $sqs->sendMessage([
    'QueueUrl' => $url,
    'MessageBody' => 'grün & <bold>',
    'MessageAttributes' => ['kind' => ['DataType' => 'String', 'StringValue' => 'test']],
]);
same(md5('grün & <bold>'), $sent->getMD5OfMessageBody(), 'MD5');
[$message] = receive($sqs, $url, ['MessageAttributeNames' => ['All'], 'AttributeNames' => ['All']]);
same(['grün & <bold>', $sent->getMessageId()], [$message->getBody(), $message->getMessageId()], 'message');
same('test', $message->getMessageAttributes()['kind']->getStringValue(), 'attribute');
$sqs->changeMessageVisibility([
    'QueueUrl' => $url, 'ReceiptHandle' => $message->getReceiptHandle(), 'VisibilityTimeout' => 0,
])->resolve();
[$message] = receive($sqs, $url, ['AttributeNames' => ['All']]);
same('2', $message->getAttributes()['ApproximateReceiveCount'], 'count');
$sqs->deleteMessage(['QueueUrl' => $url, 'ReceiptHandle' => $message->getReceiptHandle()])->resolve();

// Batches, the order of a group, a dead letter.
$dead = $sqs->createQueue(['QueueName' => 'php-dead.fifo', 'Attributes' => ['FifoQueue' => 'true']])->getQueueUrl();
$arn = $sqs->getQueueAttributes(['QueueUrl' => $dead, 'AttributeNames' => ['QueueArn']])->getAttributes()['QueueArn'];
$url = $sqs->createQueue(['QueueName' => 'php.fifo', 'Attributes' => [
    'FifoQueue' => 'true',
    'ContentBasedDeduplication' => 'true',
    'RedrivePolicy' => json_encode(['deadLetterTargetArn' => $arn, 'maxReceiveCount' => 1]),
]])->getQueueUrl();
$entries = array_map(fn ($at) => ['Id' => "$at", 'MessageBody' => "body $at", 'MessageGroupId' => 'g'], range(0, 4));
same(5, count($sqs->sendMessageBatch(['QueueUrl' => $url, 'Entries' => $entries])->getSuccessful()), 'batch');
$messages = receive($sqs, $url, ['MaxNumberOfMessages' => 10]);
same(array_column($entries, 'MessageBody'), array_map(fn ($m) => $m->getBody(), $messages), 'order');
$handles = array_map(fn ($at) => ['Id' => "$at", 'ReceiptHandle' => $messages[$at]->getReceiptHandle()], range(1, 4));
same(4, count($sqs->deleteMessageBatch(['QueueUrl' => $url, 'Entries' => $handles])->getSuccessful()), 'deleted');
$sqs->changeMessageVisibility([
    'QueueUrl' => $url, 'ReceiptHandle' => $messages[0]->getReceiptHandle(), 'VisibilityTimeout' => 0,
])->resolve();
same([], receive($sqs, $url, ['WaitTimeSeconds' => 0]), 'nothing but a dead letter');
same('body 0', receive($sqs, $dead)[0]->getBody(), 'dead letter');

// Errors.
$missing = fn () => $sqs->getQueueUrl(['QueueName' => 'nothing'])->resolve();
same('AWS.SimpleQueueService.NonExistentQueue', code($missing), 'missing queue');
$liar = new SqsClient(['accessKeySecret' => 'wrong'] + $settings);
same('SignatureDoesNotMatch', code(fn () => $liar->listQueues()->resolve()), 'wrong secret');
