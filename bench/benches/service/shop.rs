//! What the service is for: a catalogue, and the page of a product with those that are like it.

use serde_json::json;
use tailrace_bench::random::Random;

const PRODUCTS: usize = 2_000;
const LIKE_IT: usize = 24;

#[derive(Debug)]
pub struct Shop {
    products: Vec<Product>,
}

#[derive(Debug)]
pub struct Product {
    number: usize,
    name: String,
    price: u32,
    /// What it is about: two are alike whose product is large.
    interests: [f32; 16],
}

impl Shop {
    pub fn open() -> Self {
        let mut random = Random::new(11);
        let product = |number: usize| Product {
            number,
            name: format!("product {number} of the catalogue"),
            price: 100 + (random.unit() * 1e4) as u32,
            interests: [(); 16].map(|()| random.normal() as f32),
        };
        Self {
            products: (0..PRODUCTS).map(product).collect(),
        }
    }

    /// The product of a path such as `/products/17`, and those that are like it, the most first.
    pub fn look_up(&self, path: &str) -> Vec<&Product> {
        let number = path.rsplit('/').next().and_then(|last| last.parse().ok());
        let wanted = &self.products[number.unwrap_or(0) % PRODUCTS];
        let likeness = |other: &Product| -> f32 {
            let pairs = wanted.interests.iter().zip(other.interests);
            pairs.map(|(a, b)| a * b).sum()
        };
        let mut found: Vec<_> = self
            .products
            .iter()
            .map(|product| (likeness(product), product))
            .collect();
        found.select_nth_unstable_by(LIKE_IT, |(a, _), (b, _)| b.total_cmp(a));
        found.truncate(LIKE_IT);
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        found.into_iter().map(|(_, product)| product).collect()
    }

    /// The page.
    pub fn render(&self, found: &[&Product]) -> Vec<u8> {
        let product = |product: &&Product| {
            json!({
                "number": product.number,
                "name": product.name,
                "price": f64::from(product.price) / 100.0,
            })
        };
        let products: Vec<_> = found.iter().map(product).collect();
        json!({"products": products}).to_string().into_bytes()
    }
}
