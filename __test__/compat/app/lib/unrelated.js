export const unrelated = 'the app’s own';
