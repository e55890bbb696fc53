/** What is used of the SDK: loaded when it is needed, and all that a bundle holds of it. */
export {
  DeleteItemCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
